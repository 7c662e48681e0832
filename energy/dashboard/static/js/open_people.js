// The entry of the people screen.
import { startPage } from "./start.js";
import { peopleScreen } from "./views/operator/people_screen.js";

await startPage(peopleScreen);
