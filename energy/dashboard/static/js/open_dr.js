// The entry of demand response.
import { startPage } from "./start.js";
import { drScreen } from "./views/operator/dr.js";

await startPage(drScreen);
