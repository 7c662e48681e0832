// The entry of the ledger screen.
import { startPage } from "./start.js";
import { ledgerScreen } from "./views/operator/ledger_screen.js";

await startPage(ledgerScreen);
