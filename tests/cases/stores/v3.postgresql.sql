CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$;

CREATE TABLE meta (
	key TEXT NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY (key)
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
	body BYTEA NOT NULL,
	PRIMARY KEY (slot)
);

CREATE TABLE measured (
	slot BIGINT NOT NULL,
	body BYTEA NOT NULL,
	summary TEXT NOT NULL,
	PRIMARY KEY (slot)
);

CREATE TABLE plant_state (
	slot BIGINT NOT NULL,
	body BYTEA NOT NULL,
	PRIMARY KEY (slot)
);

CREATE TABLE view (
	kind TEXT NOT NULL,
	slot BIGINT NOT NULL,
	body TEXT NOT NULL,
	PRIMARY KEY (kind, slot)
);

CREATE TABLE market_order (
	id BYTEA NOT NULL,
	account BYTEA NOT NULL,
	zone BIGINT NOT NULL,
	slot BIGINT NOT NULL,
	side INTEGER NOT NULL,
	e_wh BIGINT NOT NULL,
	price_mkrw_per_kwh BIGINT NOT NULL,
	label INTEGER NOT NULL,
	premium_mkrw_per_kwh BIGINT NOT NULL,
	expires BIGINT NOT NULL,
	replaces BYTEA NOT NULL,
	rules_version BIGINT NOT NULL,
	nonce BIGINT NOT NULL,
	signer BYTEA NOT NULL,
	signature BYTEA NOT NULL,
	salt BYTEA NOT NULL,
	tag BYTEA NOT NULL,
	received_utc BIGINT NOT NULL,
	sealed_by BIGINT NOT NULL,
	receipt_signature BYTEA NOT NULL,
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

CREATE TRIGGER market_order_no_update BEFORE UPDATE OF id, account, zone, slot, side, e_wh, price_mkrw_per_kwh, label, premium_mkrw_per_kwh, expires, replaces, rules_version, nonce, signer, signature, salt, tag, received_utc, sealed_by, receipt_signature ON market_order FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER market_order_no_delete BEFORE DELETE ON market_order FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE order_conflict (
	id BYTEA NOT NULL,
	account BYTEA NOT NULL,
	nonce BIGINT NOT NULL,
	envelope BYTEA NOT NULL,
	received_utc BIGINT NOT NULL,
	PRIMARY KEY (id)
);

CREATE TRIGGER order_conflict_no_update BEFORE UPDATE ON order_conflict FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER order_conflict_no_delete BEFORE DELETE ON order_conflict FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE clearing (
	slot BIGINT NOT NULL,
	round INTEGER NOT NULL,
	document TEXT NOT NULL,
	PRIMARY KEY (slot, round)
);

CREATE TRIGGER clearing_no_update BEFORE UPDATE ON clearing FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER clearing_no_delete BEFORE DELETE ON clearing FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE reading (
	slot BIGINT NOT NULL,
	body BYTEA NOT NULL,
	PRIMARY KEY (slot)
);

CREATE TRIGGER reading_no_update BEFORE UPDATE ON reading FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER reading_no_delete BEFORE DELETE ON reading FOR EACH ROW EXECUTE FUNCTION refuse_change();

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

CREATE TRIGGER late_reading_no_update BEFORE UPDATE ON late_reading FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER late_reading_no_delete BEFORE DELETE ON late_reading FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE meter_month (
	slot BIGINT NOT NULL,
	body BYTEA NOT NULL,
	PRIMARY KEY (slot)
);

CREATE TABLE alarm (
	id SERIAL NOT NULL,
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
	PRIMARY KEY (id),
	CONSTRAINT alarm_severity CHECK (severity IN ('alarm', 'warning'))
);

CREATE INDEX alarm_open ON alarm (ended_utc, cause);

CREATE TABLE event (
	id SERIAL NOT NULL,
	kind TEXT NOT NULL,
	slot BIGINT,
	body TEXT NOT NULL,
	PRIMARY KEY (id)
);

CREATE TABLE archived_line (
	no INTEGER NOT NULL,
	tick BIGINT NOT NULL,
	line TEXT NOT NULL,
	body TEXT NOT NULL,
	PRIMARY KEY (no)
);

CREATE TRIGGER archived_line_no_update BEFORE UPDATE ON archived_line FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER archived_line_no_delete BEFORE DELETE ON archived_line FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE tally (
	through BIGINT NOT NULL,
	after BIGINT NOT NULL,
	body BYTEA NOT NULL,
	PRIMARY KEY (through, after)
);

CREATE TRIGGER tally_no_update BEFORE UPDATE ON tally FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER tally_no_delete BEFORE DELETE ON tally FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE billed_month (
	first_slot BIGINT NOT NULL,
	end_slot BIGINT NOT NULL,
	tick BIGINT NOT NULL,
	content TEXT NOT NULL,
	summary TEXT NOT NULL,
	accounts BYTEA NOT NULL,
	PRIMARY KEY (first_slot)
);

CREATE TRIGGER billed_month_no_update BEFORE UPDATE ON billed_month FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER billed_month_no_delete BEFORE DELETE ON billed_month FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE account (
	no INTEGER NOT NULL,
	account BYTEA NOT NULL,
	secret BYTEA NOT NULL,
	month INTEGER,
	PRIMARY KEY (no),
	UNIQUE (account)
);

CREATE TABLE account_key (
	account BYTEA NOT NULL,
	address BYTEA NOT NULL,
	from_slot BIGINT NOT NULL,
	end_slot BIGINT,
	roles INTEGER NOT NULL,
	entry BYTEA NOT NULL,
	PRIMARY KEY (account, address, from_slot)
);

CREATE TABLE entry (
	digest BYTEA NOT NULL,
	tick BIGINT NOT NULL,
	position INTEGER NOT NULL,
	type TEXT NOT NULL,
	message TEXT NOT NULL,
	signers BYTEA NOT NULL,
	signatures BYTEA NOT NULL,
	salt BYTEA NOT NULL,
	PRIMARY KEY (digest),
	CONSTRAINT entry_tick_position UNIQUE (tick, position)
);

CREATE TRIGGER entry_no_update BEFORE UPDATE ON entry FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER entry_no_delete BEFORE DELETE ON entry FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE signed_readings (
	tick BIGINT NOT NULL,
	body BYTEA NOT NULL,
	signatures BYTEA NOT NULL,
	PRIMARY KEY (tick)
);

CREATE TRIGGER signed_readings_no_update BEFORE UPDATE ON signed_readings FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER signed_readings_no_delete BEFORE DELETE ON signed_readings FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE slot_trades (
	slot BIGINT NOT NULL,
	body BYTEA NOT NULL,
	PRIMARY KEY (slot)
);

CREATE TRIGGER slot_trades_no_update BEFORE UPDATE ON slot_trades FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER slot_trades_no_delete BEFORE DELETE ON slot_trades FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE slot_book (
	slot BIGINT NOT NULL,
	body BYTEA NOT NULL,
	PRIMARY KEY (slot)
);

CREATE TRIGGER slot_book_no_update BEFORE UPDATE ON slot_book FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER slot_book_no_delete BEFORE DELETE ON slot_book FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE account_message (
	digest BYTEA NOT NULL,
	no INTEGER NOT NULL,
	type TEXT NOT NULL,
	account BYTEA NOT NULL,
	nonce BIGINT NOT NULL,
	message TEXT NOT NULL,
	signers BYTEA NOT NULL,
	signatures BYTEA NOT NULL,
	salt BYTEA NOT NULL,
	received_utc BIGINT NOT NULL,
	sealed_by BIGINT NOT NULL,
	receipt_signature BYTEA NOT NULL,
	PRIMARY KEY (digest),
	CONSTRAINT account_message_account_nonce UNIQUE (account, nonce),
	UNIQUE (no)
);

CREATE INDEX account_message_sealed_by ON account_message (sealed_by);

CREATE TRIGGER account_message_no_update BEFORE UPDATE ON account_message FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER account_message_no_delete BEFORE DELETE ON account_message FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE checkpoint (
	tick BIGINT NOT NULL,
	digest BYTEA NOT NULL,
	size BIGINT NOT NULL,
	root BYTEA NOT NULL,
	accounts_root BYTEA NOT NULL,
	previous BYTEA NOT NULL,
	signer BYTEA NOT NULL,
	signature BYTEA NOT NULL,
	note TEXT NOT NULL,
	PRIMARY KEY (tick),
	UNIQUE (digest),
	UNIQUE (size),
	UNIQUE (previous)
);

CREATE TRIGGER checkpoint_no_update BEFORE UPDATE ON checkpoint FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER checkpoint_no_delete BEFORE DELETE ON checkpoint FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE book_state (
	id INTEGER NOT NULL,
	tick BIGINT NOT NULL,
	body BYTEA NOT NULL,
	PRIMARY KEY (id),
	CONSTRAINT book_state_one_row CHECK (id = 1)
);

CREATE TABLE contract (
	no INTEGER NOT NULL,
	id BYTEA NOT NULL,
	seller BYTEA NOT NULL,
	buyer BYTEA NOT NULL,
	kind INTEGER NOT NULL,
	first_slot BIGINT NOT NULL,
	end_slot BIGINT NOT NULL,
	cap_wh BIGINT NOT NULL,
	share_ppm INTEGER NOT NULL,
	price_mkrw_per_kwh BIGINT NOT NULL,
	rank INTEGER NOT NULL,
	terms BYTEA NOT NULL,
	signed_utc BIGINT NOT NULL,
	PRIMARY KEY (no),
	CONSTRAINT contract_two_accounts CHECK (seller <> buyer),
	CONSTRAINT contract_lasts CHECK (first_slot < end_slot),
	UNIQUE (id)
);

CREATE INDEX contract_seller ON contract (seller);

CREATE TRIGGER contract_no_update BEFORE UPDATE ON contract FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER contract_no_delete BEFORE DELETE ON contract FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE dr_event (
	id BYTEA NOT NULL,
	programme TEXT NOT NULL,
	program BYTEA NOT NULL,
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

CREATE TRIGGER dr_event_no_update BEFORE UPDATE ON dr_event FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER dr_event_no_delete BEFORE DELETE ON dr_event FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE erased_leaf (
	tick BIGINT NOT NULL,
	kind INTEGER NOT NULL,
	leaf BYTEA NOT NULL,
	slot BIGINT NOT NULL,
	PRIMARY KEY (tick, kind, leaf)
);

CREATE TABLE identity (
	account BYTEA NOT NULL,
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
	body BYTEA NOT NULL,
	tiers TEXT NOT NULL,
	PRIMARY KEY (first_slot),
	CONSTRAINT forecast_issue_slot CHECK (first_slot % 900 = 0)
);

CREATE TRIGGER forecast_issue_no_update BEFORE UPDATE ON forecast_issue FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER forecast_issue_no_delete BEFORE DELETE ON forecast_issue FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE weather_issue (
	issue_slot BIGINT NOT NULL,
	known_utc BIGINT NOT NULL,
	body BYTEA NOT NULL,
	PRIMARY KEY (issue_slot)
);

CREATE TRIGGER weather_issue_no_update BEFORE UPDATE ON weather_issue FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER weather_issue_no_delete BEFORE DELETE ON weather_issue FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE fill (
	order_id BYTEA NOT NULL,
	slot BIGINT NOT NULL,
	e_wh BIGINT NOT NULL,
	price_mkrw_per_kwh BIGINT NOT NULL,
	PRIMARY KEY (order_id),
	CONSTRAINT fill_e_wh CHECK (e_wh >= 1),
	FOREIGN KEY(order_id) REFERENCES market_order (id)
);

CREATE INDEX fill_slot ON fill (slot);

CREATE TRIGGER fill_no_update BEFORE UPDATE ON fill FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER fill_no_delete BEFORE DELETE ON fill FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE anchor_try (
	no INTEGER NOT NULL,
	transaction BYTEA NOT NULL,
	checkpoint BYTEA NOT NULL,
	chain_id BIGINT NOT NULL,
	nonce BIGINT NOT NULL,
	most_wei BIGINT NOT NULL,
	tip_wei BIGINT NOT NULL,
	raw BYTEA NOT NULL,
	sent_utc BIGINT NOT NULL,
	PRIMARY KEY (no),
	UNIQUE (transaction),
	FOREIGN KEY(checkpoint) REFERENCES checkpoint (digest)
);

CREATE TRIGGER anchor_try_no_update BEFORE UPDATE ON anchor_try FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER anchor_try_no_delete BEFORE DELETE ON anchor_try FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE settlement (
	no INTEGER NOT NULL,
	entry BYTEA NOT NULL,
	scope INTEGER NOT NULL,
	slot BIGINT NOT NULL,
	version INTEGER NOT NULL,
	tick BIGINT NOT NULL,
	clearing BYTEA NOT NULL,
	PRIMARY KEY (no),
	CONSTRAINT settlement_scope_slot_version UNIQUE (scope, slot, version),
	UNIQUE (entry),
	FOREIGN KEY(entry) REFERENCES entry (digest)
);

CREATE INDEX settlement_tick ON settlement (tick);

CREATE TRIGGER settlement_no_update BEFORE UPDATE ON settlement FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER settlement_no_delete BEFORE DELETE ON settlement FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE cosignature (
	checkpoint BYTEA NOT NULL,
	signer BYTEA NOT NULL,
	time BIGINT NOT NULL,
	signature BYTEA NOT NULL,
	PRIMARY KEY (checkpoint, signer),
	FOREIGN KEY(checkpoint) REFERENCES checkpoint (digest)
);

CREATE TRIGGER cosignature_no_update BEFORE UPDATE ON cosignature FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER cosignature_no_delete BEFORE DELETE ON cosignature FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE contract_end (
	contract INTEGER NOT NULL,
	account BYTEA NOT NULL,
	slot BIGINT NOT NULL,
	digest BYTEA NOT NULL,
	PRIMARY KEY (contract, account),
	FOREIGN KEY(contract) REFERENCES contract (no),
	UNIQUE (digest)
);

CREATE TRIGGER contract_end_no_update BEFORE UPDATE ON contract_end FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER contract_end_no_delete BEFORE DELETE ON contract_end FOR EACH ROW EXECUTE FUNCTION refuse_change();

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

CREATE TRIGGER contract_delivery_no_update BEFORE UPDATE ON contract_delivery FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER contract_delivery_no_delete BEFORE DELETE ON contract_delivery FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE dr_cancel (
	event BYTEA NOT NULL,
	digest BYTEA NOT NULL,
	cancelled_utc BIGINT NOT NULL,
	PRIMARY KEY (event),
	FOREIGN KEY(event) REFERENCES dr_event (id)
);

CREATE TRIGGER dr_cancel_no_update BEFORE UPDATE ON dr_cancel FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER dr_cancel_no_delete BEFORE DELETE ON dr_cancel FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE dr_answer (
	event BYTEA NOT NULL,
	account BYTEA NOT NULL,
	digest BYTEA NOT NULL,
	e_wh_per_slot BIGINT NOT NULL,
	answered_utc BIGINT NOT NULL,
	PRIMARY KEY (event, account),
	CONSTRAINT dr_answer_e_wh CHECK (e_wh_per_slot >= 0),
	FOREIGN KEY(event) REFERENCES dr_event (id),
	UNIQUE (digest)
);

CREATE TRIGGER dr_answer_no_update BEFORE UPDATE ON dr_answer FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER dr_answer_no_delete BEFORE DELETE ON dr_answer FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE dr_baseline (
	event BYTEA NOT NULL,
	made_utc BIGINT NOT NULL,
	body BYTEA NOT NULL,
	PRIMARY KEY (event),
	FOREIGN KEY(event) REFERENCES dr_event (id)
);

CREATE TRIGGER dr_baseline_no_update BEFORE UPDATE ON dr_baseline FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER dr_baseline_no_delete BEFORE DELETE ON dr_baseline FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE dr_result (
	event BYTEA NOT NULL,
	version INTEGER NOT NULL,
	tick BIGINT NOT NULL,
	body BYTEA NOT NULL,
	PRIMARY KEY (event, version),
	FOREIGN KEY(event) REFERENCES dr_event (id)
);

CREATE TRIGGER dr_result_no_update BEFORE UPDATE ON dr_result FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER dr_result_no_delete BEFORE DELETE ON dr_result FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE erased_state (
	tick BIGINT NOT NULL,
	account INTEGER NOT NULL,
	seq BIGINT,
	head BYTEA NOT NULL,
	keys_head BYTEA NOT NULL,
	PRIMARY KEY (tick, account),
	FOREIGN KEY(account) REFERENCES account (no)
);

CREATE TABLE erased_account (
	account INTEGER NOT NULL,
	month INTEGER NOT NULL,
	tick BIGINT NOT NULL,
	seq BIGINT NOT NULL,
	head BYTEA NOT NULL,
	keys_head BYTEA NOT NULL,
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
	checkpoint BYTEA NOT NULL,
	transaction BYTEA NOT NULL,
	block BIGINT NOT NULL,
	header BYTEA NOT NULL,
	place INTEGER NOT NULL,
	nodes TEXT NOT NULL,
	found_utc BIGINT NOT NULL,
	PRIMARY KEY (checkpoint),
	FOREIGN KEY(checkpoint) REFERENCES checkpoint (digest),
	FOREIGN KEY(transaction) REFERENCES anchor_try (transaction)
);

CREATE TRIGGER anchored_no_update BEFORE UPDATE ON anchored FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER anchored_no_delete BEFORE DELETE ON anchored FOR EACH ROW EXECUTE FUNCTION refuse_change();

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
);

CREATE UNIQUE INDEX transfer_ends_once ON transfer (pending_settlement, pending_position) WHERE pending_settlement IS NOT NULL;

CREATE TRIGGER transfer_no_update BEFORE UPDATE ON transfer FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER transfer_no_delete BEFORE DELETE ON transfer FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE erased_transfer (
	settlement INTEGER NOT NULL,
	position INTEGER NOT NULL,
	leaf BYTEA NOT NULL,
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
	salt BYTEA NOT NULL,
	PRIMARY KEY (settlement, position),
	FOREIGN KEY(settlement) REFERENCES settlement (no)
);

CREATE TABLE anchor_entry (
	checkpoint BYTEA NOT NULL,
	entry BYTEA NOT NULL,
	tick BIGINT NOT NULL,
	PRIMARY KEY (checkpoint),
	FOREIGN KEY(checkpoint) REFERENCES anchored (checkpoint),
	UNIQUE (entry)
);

CREATE TRIGGER anchor_entry_no_update BEFORE UPDATE ON anchor_entry FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER anchor_entry_no_delete BEFORE DELETE ON anchor_entry FOR EACH ROW EXECUTE FUNCTION refuse_change();
