// The entry of the overview.
import { startPage } from "./start.js";
import { overviewScreen } from "./views/operator/overview.js";

await startPage(overviewScreen);
