// The entry of the grid.
import { startPage } from "./start.js";
import { gridScreen } from "./views/operator/grid.js";

await startPage(gridScreen);
