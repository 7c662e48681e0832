// The entry of the alarms screen.
import { startPage } from "./start.js";
import { alarmsScreen } from "./views/operator/alarms_screen.js";

await startPage(alarmsScreen);
