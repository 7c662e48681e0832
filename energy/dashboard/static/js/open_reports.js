// The entry of reports.
import { startPage } from "./start.js";
import { reportsScreen } from "./views/operator/reports.js";

await startPage(reportsScreen);
