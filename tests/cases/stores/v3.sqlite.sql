CREATE TABLE meta (
	"key" TEXT NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY ("key")
);

CREATE TABLE slot (
	start BIGINT NOT NULL,
	state TEXT NOT NULL,
	outcome TEXT,
	tier TEXT,
	reason TEXT,
	gap_frac FLOAT,
	rounds INTEGER,
	owner TEXT NOT NULL,
	fence BIGINT NOT NULL,
	claimed_utc BIGINT NOT NULL,
	published_utc BIGINT,
	sealed_utc BIGINT,
	settled_utc BIGINT,
	seconds TEXT,
	PRIMARY KEY (start),
	CONSTRAINT slot_on_the_quarter_hour CHECK (start % 900 = 0),
	CONSTRAINT slot_state CHECK (state IN ('running', 'published', 'settled')),
	CONSTRAINT slot_outcome CHECK (outcome IN ('ok', 'fallback', 'missed')),
	CONSTRAINT slot_tier CHECK (tier IN ('T0', 'T1', 'T2', 'T3', 'T4')),
	CONSTRAINT slot_final_row CHECK (state = 'running' OR (outcome IS NOT NULL AND published_utc IS NOT NULL)),
	CONSTRAINT slot_settled CHECK (state <> 'settled' OR settled_utc IS NOT NULL),
	UNIQUE (fence)
);

CREATE TABLE fence_counter (
	id INTEGER NOT NULL,
	last BIGINT NOT NULL,
	PRIMARY KEY (id),
	CONSTRAINT fence_counter_one_row CHECK (id = 1)
);

CREATE TABLE leader (
	id INTEGER NOT NULL,
	term BIGINT NOT NULL,
	owner TEXT NOT NULL,
	PRIMARY KEY (id),
	CONSTRAINT leader_one_row CHECK (id = 1)
);

CREATE TABLE lease (
	id INTEGER NOT NULL,
	until_s FLOAT NOT NULL,
	clock_at_s FLOAT,
	clock_district_s FLOAT,
	clock_rate FLOAT,
	clock_cap_s FLOAT,
	PRIMARY KEY (id),
	CONSTRAINT lease_one_row CHECK (id = 1)
);

CREATE TABLE setpoint (
	slot BIGINT NOT NULL,
	fence BIGINT NOT NULL,
	expires_utc BIGINT NOT NULL,
	body BLOB NOT NULL,
	PRIMARY KEY (slot)
);

CREATE TABLE measured (
	slot BIGINT NOT NULL,
	body BLOB NOT NULL,
	summary TEXT NOT NULL,
	PRIMARY KEY (slot)
);

CREATE TABLE plant_state (
	slot BIGINT NOT NULL,
	body BLOB NOT NULL,
	PRIMARY KEY (slot)
);

CREATE TABLE "view" (
	kind TEXT NOT NULL,
	slot BIGINT NOT NULL,
	body TEXT NOT NULL,
	PRIMARY KEY (kind, slot)
);

CREATE TABLE market_order (
	id BLOB NOT NULL,
	account BLOB NOT NULL,
	zone BIGINT NOT NULL,
	slot BIGINT NOT NULL,
	side INTEGER NOT NULL,
	e_wh BIGINT NOT NULL,
	price_mkrw_per_kwh BIGINT NOT NULL,
	label INTEGER NOT NULL,
	premium_mkrw_per_kwh BIGINT NOT NULL,
	expires BIGINT NOT NULL,
	replaces BLOB NOT NULL,
	rules_version BIGINT NOT NULL,
	nonce BIGINT NOT NULL,
	signer BLOB NOT NULL,
	signature BLOB NOT NULL,
	salt BLOB NOT NULL,
	tag BLOB NOT NULL,
	received_utc BIGINT NOT NULL,
	sealed_by BIGINT NOT NULL,
	receipt_signature BLOB NOT NULL,
	status TEXT NOT NULL,
	PRIMARY KEY (id),
	CONSTRAINT market_order_account_nonce UNIQUE (account, nonce),
	CONSTRAINT market_order_side CHECK (side IN (1, 2)),
	CONSTRAINT market_order_e_wh CHECK (e_wh BETWEEN 1 AND 100000000),
	CONSTRAINT market_order_slot CHECK (slot % 900 = 0),
	CONSTRAINT market_order_status CHECK (status IN ('ACCEPTED', 'CANCELLED', 'REPLACED', 'EXPIRED', 'KEY_REVOKED', 'LOCKED', 'FILLED', 'PARTIAL', 'NOT_CLEARED', 'VOID'))
);

CREATE INDEX market_order_slot_account ON market_order (slot, account);

CREATE INDEX market_order_sealed_by ON market_order (sealed_by);

CREATE TRIGGER market_order_no_update BEFORE UPDATE OF id, account, zone, slot, side, e_wh, price_mkrw_per_kwh, label, premium_mkrw_per_kwh, expires, replaces, rules_version, nonce, signer, signature, salt, tag, received_utc, sealed_by, receipt_signature ON market_order BEGIN SELECT RAISE(ABORT, 'market_order is append-only'); END;

CREATE TRIGGER market_order_no_delete BEFORE DELETE ON market_order BEGIN SELECT RAISE(ABORT, 'market_order is append-only'); END;

CREATE TABLE order_conflict (
	id BLOB NOT NULL,
	account BLOB NOT NULL,
	nonce BIGINT NOT NULL,
	envelope BLOB NOT NULL,
	received_utc BIGINT NOT NULL,
	PRIMARY KEY (id)
);

CREATE TRIGGER order_conflict_no_update BEFORE UPDATE ON order_conflict BEGIN SELECT RAISE(ABORT, 'order_conflict is append-only'); END;

CREATE TRIGGER order_conflict_no_delete BEFORE DELETE ON order_conflict BEGIN SELECT RAISE(ABORT, 'order_conflict is append-only'); END;

CREATE TABLE clearing (
	slot BIGINT NOT NULL,
	round INTEGER NOT NULL,
	document TEXT NOT NULL,
	PRIMARY KEY (slot, round)
);

CREATE TRIGGER clearing_no_update BEFORE UPDATE ON clearing BEGIN SELECT RAISE(ABORT, 'clearing is append-only'); END;

CREATE TRIGGER clearing_no_delete BEFORE DELETE ON clearing BEGIN SELECT RAISE(ABORT, 'clearing is append-only'); END;

CREATE TABLE reading (
	slot BIGINT NOT NULL,
	body BLOB NOT NULL,
	PRIMARY KEY (slot)
);

CREATE TRIGGER reading_no_update BEFORE UPDATE ON reading BEGIN SELECT RAISE(ABORT, 'reading is append-only'); END;

CREATE TRIGGER reading_no_delete BEFORE DELETE ON reading BEGIN SELECT RAISE(ABORT, 'reading is append-only'); END;

CREATE TABLE late_reading (
	slot BIGINT NOT NULL,
	meter INTEGER NOT NULL,
	revision INTEGER NOT NULL,
	tick BIGINT NOT NULL,
	import_wh BIGINT NOT NULL,
	export_wh BIGINT NOT NULL,
	import_register_wh BIGINT NOT NULL,
	export_register_wh BIGINT NOT NULL,
	quality INTEGER NOT NULL,
	PRIMARY KEY (slot, meter, revision)
);

CREATE INDEX late_reading_tick ON late_reading (tick);

CREATE TRIGGER late_reading_no_update BEFORE UPDATE ON late_reading BEGIN SELECT RAISE(ABORT, 'late_reading is append-only'); END;

CREATE TRIGGER late_reading_no_delete BEFORE DELETE ON late_reading BEGIN SELECT RAISE(ABORT, 'late_reading is append-only'); END;

CREATE TABLE meter_month (
	slot BIGINT NOT NULL,
	body BLOB NOT NULL,
	PRIMARY KEY (slot)
);

CREATE TABLE alarm (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	cause TEXT NOT NULL,
	severity TEXT NOT NULL,
	what TEXT NOT NULL,
	place TEXT NOT NULL,
	todo TEXT NOT NULL,
	since_utc BIGINT NOT NULL,
	until_utc BIGINT,
	ended_utc BIGINT,
	acknowledged_utc BIGINT,
	count INTEGER NOT NULL,
	CONSTRAINT alarm_severity CHECK (severity IN ('alarm', 'warning'))
);

CREATE INDEX alarm_open ON alarm (ended_utc, cause);

CREATE TABLE event (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	kind TEXT NOT NULL,
	slot BIGINT,
	body TEXT NOT NULL
);

CREATE TABLE archived_line (
	no INTEGER NOT NULL,
	tick BIGINT NOT NULL,
	line TEXT NOT NULL,
	body TEXT NOT NULL,
	PRIMARY KEY (no)
);

CREATE TRIGGER archived_line_no_update BEFORE UPDATE ON archived_line BEGIN SELECT RAISE(ABORT, 'archived_line is append-only'); END;

CREATE TRIGGER archived_line_no_delete BEFORE DELETE ON archived_line BEGIN SELECT RAISE(ABORT, 'archived_line is append-only'); END;

CREATE TABLE tally (
	through BIGINT NOT NULL,
	"after" BIGINT NOT NULL,
	body BLOB NOT NULL,
	PRIMARY KEY (through, "after")
);

CREATE TRIGGER tally_no_update BEFORE UPDATE ON tally BEGIN SELECT RAISE(ABORT, 'tally is append-only'); END;

CREATE TRIGGER tally_no_delete BEFORE DELETE ON tally BEGIN SELECT RAISE(ABORT, 'tally is append-only'); END;

CREATE TABLE billed_month (
	first_slot BIGINT NOT NULL,
	end_slot BIGINT NOT NULL,
	tick BIGINT NOT NULL,
	content TEXT NOT NULL,
	summary TEXT NOT NULL,
	accounts BLOB NOT NULL,
	PRIMARY KEY (first_slot)
);

CREATE TRIGGER billed_month_no_update BEFORE UPDATE ON billed_month BEGIN SELECT RAISE(ABORT, 'billed_month is append-only'); END;

CREATE TRIGGER billed_month_no_delete BEFORE DELETE ON billed_month BEGIN SELECT RAISE(ABORT, 'billed_month is append-only'); END;

CREATE TABLE account (
	no INTEGER NOT NULL,
	account BLOB NOT NULL,
	secret BLOB NOT NULL,
	month INTEGER,
	PRIMARY KEY (no),
	UNIQUE (account)
);

CREATE TABLE account_key (
	account BLOB NOT NULL,
	address BLOB NOT NULL,
	from_slot BIGINT NOT NULL,
	end_slot BIGINT,
	roles INTEGER NOT NULL,
	entry BLOB NOT NULL,
	PRIMARY KEY (account, address, from_slot)
);

CREATE TABLE entry (
	digest BLOB NOT NULL,
	tick BIGINT NOT NULL,
	position INTEGER NOT NULL,
	type TEXT NOT NULL,
	message TEXT NOT NULL,
	signers BLOB NOT NULL,
	signatures BLOB NOT NULL,
	salt BLOB NOT NULL,
	PRIMARY KEY (digest),
	CONSTRAINT entry_tick_position UNIQUE (tick, position)
);

CREATE TRIGGER entry_no_update BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'entry is append-only'); END;

CREATE TRIGGER entry_no_delete BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'entry is append-only'); END;

CREATE TABLE signed_readings (
	tick BIGINT NOT NULL,
	body BLOB NOT NULL,
	signatures BLOB NOT NULL,
	PRIMARY KEY (tick)
);

CREATE TRIGGER signed_readings_no_update BEFORE UPDATE ON signed_readings BEGIN SELECT RAISE(ABORT, 'signed_readings is append-only'); END;

CREATE TRIGGER signed_readings_no_delete BEFORE DELETE ON signed_readings BEGIN SELECT RAISE(ABORT, 'signed_readings is append-only'); END;

CREATE TABLE slot_trades (
	slot BIGINT NOT NULL,
	body BLOB NOT NULL,
	PRIMARY KEY (slot)
);

CREATE TRIGGER slot_trades_no_update BEFORE UPDATE ON slot_trades BEGIN SELECT RAISE(ABORT, 'slot_trades is append-only'); END;

CREATE TRIGGER slot_trades_no_delete BEFORE DELETE ON slot_trades BEGIN SELECT RAISE(ABORT, 'slot_trades is append-only'); END;

CREATE TABLE slot_book (
	slot BIGINT NOT NULL,
	body BLOB NOT NULL,
	PRIMARY KEY (slot)
);

CREATE TRIGGER slot_book_no_update BEFORE UPDATE ON slot_book BEGIN SELECT RAISE(ABORT, 'slot_book is append-only'); END;

CREATE TRIGGER slot_book_no_delete BEFORE DELETE ON slot_book BEGIN SELECT RAISE(ABORT, 'slot_book is append-only'); END;

CREATE TABLE account_message (
	digest BLOB NOT NULL,
	no INTEGER NOT NULL,
	type TEXT NOT NULL,
	account BLOB NOT NULL,
	nonce BIGINT NOT NULL,
	message TEXT NOT NULL,
	signers BLOB NOT NULL,
	signatures BLOB NOT NULL,
	salt BLOB NOT NULL,
	received_utc BIGINT NOT NULL,
	sealed_by BIGINT NOT NULL,
	receipt_signature BLOB NOT NULL,
	PRIMARY KEY (digest),
	CONSTRAINT account_message_account_nonce UNIQUE (account, nonce),
	UNIQUE (no)
);

CREATE INDEX account_message_sealed_by ON account_message (sealed_by);

CREATE TRIGGER account_message_no_update BEFORE UPDATE ON account_message BEGIN SELECT RAISE(ABORT, 'account_message is append-only'); END;

CREATE TRIGGER account_message_no_delete BEFORE DELETE ON account_message BEGIN SELECT RAISE(ABORT, 'account_message is append-only'); END;

CREATE TABLE checkpoint (
	tick BIGINT NOT NULL,
	digest BLOB NOT NULL,
	size BIGINT NOT NULL,
	root BLOB NOT NULL,
	accounts_root BLOB NOT NULL,
	previous BLOB NOT NULL,
	signer BLOB NOT NULL,
	signature BLOB NOT NULL,
	note TEXT NOT NULL,
	PRIMARY KEY (tick),
	UNIQUE (digest),
	UNIQUE (size),
	UNIQUE (previous)
);

CREATE TRIGGER checkpoint_no_update BEFORE UPDATE ON checkpoint BEGIN SELECT RAISE(ABORT, 'checkpoint is append-only'); END;

CREATE TRIGGER checkpoint_no_delete BEFORE DELETE ON checkpoint BEGIN SELECT RAISE(ABORT, 'checkpoint is append-only'); END;

CREATE TABLE book_state (
	id INTEGER NOT NULL,
	tick BIGINT NOT NULL,
	body BLOB NOT NULL,
	PRIMARY KEY (id),
	CONSTRAINT book_state_one_row CHECK (id = 1)
);

CREATE TABLE contract (
	no INTEGER NOT NULL,
	id BLOB NOT NULL,
	seller BLOB NOT NULL,
	buyer BLOB NOT NULL,
	kind INTEGER NOT NULL,
	first_slot BIGINT NOT NULL,
	end_slot BIGINT NOT NULL,
	cap_wh BIGINT NOT NULL,
	share_ppm INTEGER NOT NULL,
	price_mkrw_per_kwh BIGINT NOT NULL,
	rank INTEGER NOT NULL,
	terms BLOB NOT NULL,
	signed_utc BIGINT NOT NULL,
	PRIMARY KEY (no),
	CONSTRAINT contract_two_accounts CHECK (seller <> buyer),
	CONSTRAINT contract_lasts CHECK (first_slot < end_slot),
	UNIQUE (id)
);

CREATE INDEX contract_seller ON contract (seller);

CREATE TRIGGER contract_no_update BEFORE UPDATE ON contract BEGIN SELECT RAISE(ABORT, 'contract is append-only'); END;

CREATE TRIGGER contract_no_delete BEFORE DELETE ON contract BEGIN SELECT RAISE(ABORT, 'contract is append-only'); END;

CREATE TABLE dr_event (
	id BLOB NOT NULL,
	programme TEXT NOT NULL,
	program BLOB NOT NULL,
	first_slot BIGINT NOT NULL,
	slots INTEGER NOT NULL,
	baseline INTEGER NOT NULL,
	reward_mkrw_per_kwh BIGINT NOT NULL,
	penalty_mkrw_per_kwh BIGINT NOT NULL,
	answer_by BIGINT NOT NULL,
	least_wh_per_hour BIGINT NOT NULL,
	pay_cap_ppm BIGINT NOT NULL,
	controllable_ppm BIGINT NOT NULL,
	called_utc BIGINT NOT NULL,
	PRIMARY KEY (id),
	CONSTRAINT dr_event_on_the_hour CHECK (first_slot % 3600 = 0),
	CONSTRAINT dr_event_slots CHECK (slots >= 1),
	CONSTRAINT dr_event_answer_by CHECK (answer_by <= first_slot)
);

CREATE INDEX dr_event_first_slot ON dr_event (first_slot);

CREATE TRIGGER dr_event_no_update BEFORE UPDATE ON dr_event BEGIN SELECT RAISE(ABORT, 'dr_event is append-only'); END;

CREATE TRIGGER dr_event_no_delete BEFORE DELETE ON dr_event BEGIN SELECT RAISE(ABORT, 'dr_event is append-only'); END;

CREATE TABLE erased_leaf (
	tick BIGINT NOT NULL,
	kind INTEGER NOT NULL,
	leaf BLOB NOT NULL,
	slot BIGINT NOT NULL,
	PRIMARY KEY (tick, kind, leaf)
);

CREATE TABLE identity (
	account BLOB NOT NULL,
	name TEXT NOT NULL,
	address TEXT NOT NULL,
	contact TEXT NOT NULL,
	meter_number TEXT NOT NULL,
	PRIMARY KEY (account),
	CONSTRAINT identity_name CHECK (length(name) <= 200),
	CONSTRAINT identity_address CHECK (length(address) <= 400),
	CONSTRAINT identity_contact CHECK (length(contact) <= 200),
	CONSTRAINT identity_meter_number CHECK (length(meter_number) <= 40)
);

CREATE TABLE forecast_issue (
	first_slot BIGINT NOT NULL,
	issue_slot BIGINT NOT NULL,
	weather_issue BIGINT,
	issued_utc BIGINT NOT NULL,
	body BLOB NOT NULL,
	tiers TEXT NOT NULL,
	PRIMARY KEY (first_slot),
	CONSTRAINT forecast_issue_slot CHECK (first_slot % 900 = 0)
);

CREATE TRIGGER forecast_issue_no_update BEFORE UPDATE ON forecast_issue BEGIN SELECT RAISE(ABORT, 'forecast_issue is append-only'); END;

CREATE TRIGGER forecast_issue_no_delete BEFORE DELETE ON forecast_issue BEGIN SELECT RAISE(ABORT, 'forecast_issue is append-only'); END;

CREATE TABLE weather_issue (
	issue_slot BIGINT NOT NULL,
	known_utc BIGINT NOT NULL,
	body BLOB NOT NULL,
	PRIMARY KEY (issue_slot)
);

CREATE TRIGGER weather_issue_no_update BEFORE UPDATE ON weather_issue BEGIN SELECT RAISE(ABORT, 'weather_issue is append-only'); END;

CREATE TRIGGER weather_issue_no_delete BEFORE DELETE ON weather_issue BEGIN SELECT RAISE(ABORT, 'weather_issue is append-only'); END;

CREATE TABLE fill (
	order_id BLOB NOT NULL,
	slot BIGINT NOT NULL,
	e_wh BIGINT NOT NULL,
	price_mkrw_per_kwh BIGINT NOT NULL,
	PRIMARY KEY (order_id),
	CONSTRAINT fill_e_wh CHECK (e_wh >= 1),
	FOREIGN KEY(order_id) REFERENCES market_order (id)
);

CREATE INDEX fill_slot ON fill (slot);

CREATE TRIGGER fill_no_update BEFORE UPDATE ON fill BEGIN SELECT RAISE(ABORT, 'fill is append-only'); END;

CREATE TRIGGER fill_no_delete BEFORE DELETE ON fill BEGIN SELECT RAISE(ABORT, 'fill is append-only'); END;

CREATE TABLE anchor_try (
	no INTEGER NOT NULL,
	"transaction" BLOB NOT NULL,
	checkpoint BLOB NOT NULL,
	chain_id BIGINT NOT NULL,
	nonce BIGINT NOT NULL,
	most_wei BIGINT NOT NULL,
	tip_wei BIGINT NOT NULL,
	raw BLOB NOT NULL,
	sent_utc BIGINT NOT NULL,
	PRIMARY KEY (no),
	UNIQUE ("transaction"),
	FOREIGN KEY(checkpoint) REFERENCES checkpoint (digest)
);

CREATE TRIGGER anchor_try_no_update BEFORE UPDATE ON anchor_try BEGIN SELECT RAISE(ABORT, 'anchor_try is append-only'); END;

CREATE TRIGGER anchor_try_no_delete BEFORE DELETE ON anchor_try BEGIN SELECT RAISE(ABORT, 'anchor_try is append-only'); END;

CREATE TABLE settlement (
	no INTEGER NOT NULL,
	entry BLOB NOT NULL,
	scope INTEGER NOT NULL,
	slot BIGINT NOT NULL,
	version INTEGER NOT NULL,
	tick BIGINT NOT NULL,
	clearing BLOB NOT NULL,
	PRIMARY KEY (no),
	CONSTRAINT settlement_scope_slot_version UNIQUE (scope, slot, version),
	UNIQUE (entry),
	FOREIGN KEY(entry) REFERENCES entry (digest)
);

CREATE INDEX settlement_tick ON settlement (tick);

CREATE TRIGGER settlement_no_update BEFORE UPDATE ON settlement BEGIN SELECT RAISE(ABORT, 'settlement is append-only'); END;

CREATE TRIGGER settlement_no_delete BEFORE DELETE ON settlement BEGIN SELECT RAISE(ABORT, 'settlement is append-only'); END;

CREATE TABLE cosignature (
	checkpoint BLOB NOT NULL,
	signer BLOB NOT NULL,
	time BIGINT NOT NULL,
	signature BLOB NOT NULL,
	PRIMARY KEY (checkpoint, signer),
	FOREIGN KEY(checkpoint) REFERENCES checkpoint (digest)
);

CREATE TRIGGER cosignature_no_update BEFORE UPDATE ON cosignature BEGIN SELECT RAISE(ABORT, 'cosignature is append-only'); END;

CREATE TRIGGER cosignature_no_delete BEFORE DELETE ON cosignature BEGIN SELECT RAISE(ABORT, 'cosignature is append-only'); END;

CREATE TABLE contract_end (
	contract INTEGER NOT NULL,
	account BLOB NOT NULL,
	slot BIGINT NOT NULL,
	digest BLOB NOT NULL,
	PRIMARY KEY (contract, account),
	FOREIGN KEY(contract) REFERENCES contract (no),
	UNIQUE (digest)
);

CREATE TRIGGER contract_end_no_update BEFORE UPDATE ON contract_end BEGIN SELECT RAISE(ABORT, 'contract_end is append-only'); END;

CREATE TRIGGER contract_end_no_delete BEFORE DELETE ON contract_end BEGIN SELECT RAISE(ABORT, 'contract_end is append-only'); END;

CREATE TABLE contract_delivery (
	contract INTEGER NOT NULL,
	slot BIGINT NOT NULL,
	version INTEGER NOT NULL,
	e_wh BIGINT NOT NULL,
	taken_wh BIGINT NOT NULL,
	surplus_wh BIGINT NOT NULL,
	stranded_wh BIGINT NOT NULL,
	produced_wh BIGINT NOT NULL,
	index_mkrw_per_kwh BIGINT,
	PRIMARY KEY (contract, slot, version),
	FOREIGN KEY(contract) REFERENCES contract (no)
);

CREATE INDEX contract_delivery_slot ON contract_delivery (slot);

CREATE TRIGGER contract_delivery_no_update BEFORE UPDATE ON contract_delivery BEGIN SELECT RAISE(ABORT, 'contract_delivery is append-only'); END;

CREATE TRIGGER contract_delivery_no_delete BEFORE DELETE ON contract_delivery BEGIN SELECT RAISE(ABORT, 'contract_delivery is append-only'); END;

CREATE TABLE dr_cancel (
	event BLOB NOT NULL,
	digest BLOB NOT NULL,
	cancelled_utc BIGINT NOT NULL,
	PRIMARY KEY (event),
	FOREIGN KEY(event) REFERENCES dr_event (id)
);

CREATE TRIGGER dr_cancel_no_update BEFORE UPDATE ON dr_cancel BEGIN SELECT RAISE(ABORT, 'dr_cancel is append-only'); END;

CREATE TRIGGER dr_cancel_no_delete BEFORE DELETE ON dr_cancel BEGIN SELECT RAISE(ABORT, 'dr_cancel is append-only'); END;

CREATE TABLE dr_answer (
	event BLOB NOT NULL,
	account BLOB NOT NULL,
	digest BLOB NOT NULL,
	e_wh_per_slot BIGINT NOT NULL,
	answered_utc BIGINT NOT NULL,
	PRIMARY KEY (event, account),
	CONSTRAINT dr_answer_e_wh CHECK (e_wh_per_slot >= 0),
	FOREIGN KEY(event) REFERENCES dr_event (id),
	UNIQUE (digest)
);

CREATE TRIGGER dr_answer_no_update BEFORE UPDATE ON dr_answer BEGIN SELECT RAISE(ABORT, 'dr_answer is append-only'); END;

CREATE TRIGGER dr_answer_no_delete BEFORE DELETE ON dr_answer BEGIN SELECT RAISE(ABORT, 'dr_answer is append-only'); END;

CREATE TABLE dr_baseline (
	event BLOB NOT NULL,
	made_utc BIGINT NOT NULL,
	body BLOB NOT NULL,
	PRIMARY KEY (event),
	FOREIGN KEY(event) REFERENCES dr_event (id)
);

CREATE TRIGGER dr_baseline_no_update BEFORE UPDATE ON dr_baseline BEGIN SELECT RAISE(ABORT, 'dr_baseline is append-only'); END;

CREATE TRIGGER dr_baseline_no_delete BEFORE DELETE ON dr_baseline BEGIN SELECT RAISE(ABORT, 'dr_baseline is append-only'); END;

CREATE TABLE dr_result (
	event BLOB NOT NULL,
	version INTEGER NOT NULL,
	tick BIGINT NOT NULL,
	body BLOB NOT NULL,
	PRIMARY KEY (event, version),
	FOREIGN KEY(event) REFERENCES dr_event (id)
);

CREATE TRIGGER dr_result_no_update BEFORE UPDATE ON dr_result BEGIN SELECT RAISE(ABORT, 'dr_result is append-only'); END;

CREATE TRIGGER dr_result_no_delete BEFORE DELETE ON dr_result BEGIN SELECT RAISE(ABORT, 'dr_result is append-only'); END;

CREATE TABLE erased_state (
	tick BIGINT NOT NULL,
	account INTEGER NOT NULL,
	seq BIGINT,
	head BLOB NOT NULL,
	keys_head BLOB NOT NULL,
	PRIMARY KEY (tick, account),
	FOREIGN KEY(account) REFERENCES account (no)
);

CREATE TABLE erased_account (
	account INTEGER NOT NULL,
	month INTEGER NOT NULL,
	tick BIGINT NOT NULL,
	seq BIGINT NOT NULL,
	head BLOB NOT NULL,
	keys_head BLOB NOT NULL,
	balance_1 BIGINT NOT NULL,
	balance_2 BIGINT NOT NULL,
	balance_3 BIGINT NOT NULL,
	moved_1 BIGINT NOT NULL,
	moved_2 BIGINT NOT NULL,
	moved_3 BIGINT NOT NULL,
	PRIMARY KEY (account),
	FOREIGN KEY(account) REFERENCES account (no)
);

CREATE TABLE anchored (
	checkpoint BLOB NOT NULL,
	"transaction" BLOB NOT NULL,
	block BIGINT NOT NULL,
	header BLOB NOT NULL,
	place INTEGER NOT NULL,
	nodes TEXT NOT NULL,
	found_utc BIGINT NOT NULL,
	PRIMARY KEY (checkpoint),
	FOREIGN KEY(checkpoint) REFERENCES checkpoint (digest),
	FOREIGN KEY("transaction") REFERENCES anchor_try ("transaction")
);

CREATE TRIGGER anchored_no_update BEFORE UPDATE ON anchored BEGIN SELECT RAISE(ABORT, 'anchored is append-only'); END;

CREATE TRIGGER anchored_no_delete BEFORE DELETE ON anchored BEGIN SELECT RAISE(ABORT, 'anchored is append-only'); END;

CREATE TABLE transfer (
	settlement INTEGER NOT NULL,
	position INTEGER NOT NULL,
	ledger INTEGER NOT NULL,
	kind INTEGER NOT NULL,
	code INTEGER NOT NULL,
	debit INTEGER NOT NULL,
	credit INTEGER NOT NULL,
	amount BIGINT NOT NULL,
	caused INTEGER NOT NULL,
	pending_settlement INTEGER,
	pending_position INTEGER,
	PRIMARY KEY (settlement, position),
	CONSTRAINT transfer_ledger CHECK (ledger BETWEEN 1 AND 3),
	CONSTRAINT transfer_kind CHECK (kind BETWEEN 1 AND 5),
	CONSTRAINT transfer_amount CHECK (amount >= 1),
	CONSTRAINT transfer_two_accounts CHECK (debit <> credit),
	CONSTRAINT transfer_names_pending CHECK ((kind IN (3, 4, 5)) = (pending_settlement IS NOT NULL AND pending_position IS NOT NULL)),
	FOREIGN KEY(settlement) REFERENCES settlement (no),
	FOREIGN KEY(debit) REFERENCES account (no),
	FOREIGN KEY(credit) REFERENCES account (no)
)
 WITHOUT ROWID;

CREATE UNIQUE INDEX transfer_ends_once ON transfer (pending_settlement, pending_position) WHERE pending_settlement IS NOT NULL;

CREATE TRIGGER transfer_no_update BEFORE UPDATE ON transfer BEGIN SELECT RAISE(ABORT, 'transfer is append-only'); END;

CREATE TRIGGER transfer_no_delete BEFORE DELETE ON transfer BEGIN SELECT RAISE(ABORT, 'transfer is append-only'); END;

CREATE TABLE erased_transfer (
	settlement INTEGER NOT NULL,
	position INTEGER NOT NULL,
	leaf BLOB NOT NULL,
	PRIMARY KEY (settlement, position),
	FOREIGN KEY(settlement) REFERENCES settlement (no)
);

CREATE TABLE erased_sum (
	settlement INTEGER NOT NULL,
	ledger INTEGER NOT NULL,
	account INTEGER NOT NULL,
	amount BIGINT NOT NULL,
	PRIMARY KEY (settlement, ledger, account),
	FOREIGN KEY(settlement) REFERENCES settlement (no),
	FOREIGN KEY(account) REFERENCES account (no)
);

CREATE TABLE kept_salt (
	settlement INTEGER NOT NULL,
	position INTEGER NOT NULL,
	salt BLOB NOT NULL,
	PRIMARY KEY (settlement, position),
	FOREIGN KEY(settlement) REFERENCES settlement (no)
);

CREATE TABLE anchor_entry (
	checkpoint BLOB NOT NULL,
	entry BLOB NOT NULL,
	tick BIGINT NOT NULL,
	PRIMARY KEY (checkpoint),
	FOREIGN KEY(checkpoint) REFERENCES anchored (checkpoint),
	UNIQUE (entry)
);

CREATE TRIGGER anchor_entry_no_update BEFORE UPDATE ON anchor_entry BEGIN SELECT RAISE(ABORT, 'anchor_entry is append-only'); END;

CREATE TRIGGER anchor_entry_no_delete BEFORE DELETE ON anchor_entry BEGIN SELECT RAISE(ABORT, 'anchor_entry is append-only'); END;
