// The entry of the forecasts.
import { startPage } from "./start.js";
import { forecastScreen } from "./views/operator/foresight.js";

await startPage(forecastScreen);
