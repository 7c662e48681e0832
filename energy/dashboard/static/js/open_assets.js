// The entry of assets.
import { startPage } from "./start.js";
import { assetsScreen } from "./views/operator/assets.js";

await startPage(assetsScreen);
