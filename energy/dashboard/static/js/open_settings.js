// The entry of settings.
import { startPage } from "./start.js";
import { settingsScreen } from "./views/operator/settings.js";

await startPage(settingsScreen);
