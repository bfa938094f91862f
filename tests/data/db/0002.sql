BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0002');
CREATE TABLE alert_deliveries (
	id INTEGER NOT NULL, 
	alert_id INTEGER NOT NULL, 
	channel TEXT NOT NULL, 
	occasion TEXT NOT NULL, 
	created DOUBLE NOT NULL, 
	attempts INTEGER NOT NULL, 
	next_try DOUBLE, 
	error TEXT, 
	PRIMARY KEY (id), 
	FOREIGN KEY(alert_id) REFERENCES alerts (id)
);
CREATE TABLE alerts (
	id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	fingerprint TEXT NOT NULL, 
	severity TEXT NOT NULL, 
	message TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	first_run BIGINT NOT NULL, 
	last_run BIGINT NOT NULL, 
	raised DOUBLE NOT NULL, 
	last_seen DOUBLE NOT NULL, 
	times INTEGER NOT NULL, 
	announced DOUBLE, 
	resolved DOUBLE, 
	acknowledged DOUBLE, 
	acknowledged_by TEXT, 
	note TEXT, 
	open_key TEXT, 
	PRIMARY KEY (id), 
	UNIQUE (open_key)
);
CREATE TABLE analyses (
	run_id INTEGER NOT NULL, 
	cycle INTEGER, 
	ms BIGINT NOT NULL, 
	result TEXT NOT NULL, 
	PRIMARY KEY (run_id), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
);
INSERT INTO "analyses" VALUES(1,NULL,120000,'{"verdict":"leak","exit_code":1}');
CREATE TABLE cycles (
	run_id INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	ms0 BIGINT NOT NULL, 
	ms1 BIGINT NOT NULL, 
	complete BOOLEAN NOT NULL, 
	segment INTEGER NOT NULL, 
	PRIMARY KEY (run_id, number), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
);
INSERT INTO "cycles" VALUES(1,0,0,60000,1,0);
INSERT INTO "cycles" VALUES(1,1,60000,120000,1,0);
CREATE TABLE events (
	id INTEGER NOT NULL, 
	run_id INTEGER NOT NULL, 
	ms0 BIGINT NOT NULL, 
	ms1 BIGINT, 
	kind TEXT NOT NULL, 
	"key" TEXT, 
	detail TEXT NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(run_id) REFERENCES runs (id), 
	UNIQUE (run_id, kind, "key")
);
INSERT INTO "events" VALUES(1,1,30000,31000,'outage','1','{"why":"refused"}');
CREATE TABLE frames (
	id INTEGER NOT NULL, 
	file TEXT NOT NULL, 
	line INTEGER NOT NULL, 
	function TEXT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (file, line, function)
);
INSERT INTO "frames" VALUES(1,'/app/main.py',10,'<module>');
INSERT INTO "frames" VALUES(2,'/app/cache.py',57,'handler');
CREATE TABLE jobs (
	host TEXT NOT NULL, 
	name TEXT NOT NULL, 
	"trigger" TEXT NOT NULL, 
	next_due DOUBLE, 
	last_due DOUBLE, 
	last_run BIGINT, 
	PRIMARY KEY (host, name)
);
CREATE TABLE load_cycles (
	run_id INTEGER NOT NULL, 
	cycle INTEGER NOT NULL, 
	scenario TEXT NOT NULL, 
	due BIGINT NOT NULL, 
	sent BIGINT NOT NULL, 
	landed BIGINT NOT NULL, 
	failed BIGINT NOT NULL, 
	dropped BIGINT NOT NULL, 
	limited BOOLEAN NOT NULL, 
	errors TEXT NOT NULL, 
	lateness BLOB NOT NULL, 
	service BLOB NOT NULL, 
	response BLOB NOT NULL, 
	checks TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	PRIMARY KEY (run_id, cycle, scenario), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
);
INSERT INTO "load_cycles" VALUES(1,0,'list',9,9,8,1,0,0,'{"timeout":1}',X'6C',X'73',X'72','{"duplicates":0}','{"x":1}');
CREATE TABLE load_windows (
	run_id INTEGER NOT NULL, 
	scenario TEXT NOT NULL, 
	ms0 BIGINT NOT NULL, 
	ms1 BIGINT NOT NULL, 
	cycle INTEGER NOT NULL, 
	phase TEXT NOT NULL, 
	due BIGINT NOT NULL, 
	sent BIGINT NOT NULL, 
	landed BIGINT NOT NULL, 
	failed BIGINT NOT NULL, 
	dropped BIGINT NOT NULL, 
	limited BOOLEAN NOT NULL, 
	PRIMARY KEY (run_id, scenario, ms0), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
)
 WITHOUT ROWID

;
INSERT INTO "load_windows" VALUES(1,'list',0,1000,0,'load',5,5,4,1,0,0);
CREATE TABLE owned_processes (
	run_id INTEGER NOT NULL, 
	pid BIGINT NOT NULL, 
	start_time BIGINT NOT NULL, 
	what TEXT NOT NULL, 
	PRIMARY KEY (run_id, pid, start_time), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
);
INSERT INTO "owned_processes" VALUES(1,9,90,'target');
CREATE TABLE processes (
	run_id INTEGER NOT NULL, 
	pid BIGINT NOT NULL, 
	start_time BIGINT NOT NULL, 
	role TEXT NOT NULL, 
	segment INTEGER NOT NULL, 
	first_ms BIGINT NOT NULL, 
	last_ms BIGINT NOT NULL, 
	name TEXT NOT NULL, 
	cmdline TEXT NOT NULL, 
	PRIMARY KEY (run_id, pid, start_time), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
);
INSERT INTO "processes" VALUES(1,9,90,'main',0,0,120000,'python','["python","app.py"]');
CREATE TABLE reading_births (
	reading_id INTEGER NOT NULL, 
	stack_id INTEGER NOT NULL, 
	domain TEXT NOT NULL, 
	birth_cycle INTEGER NOT NULL, 
	bytes DOUBLE NOT NULL, 
	PRIMARY KEY (reading_id, stack_id, domain, birth_cycle), 
	FOREIGN KEY(reading_id) REFERENCES readings (id), 
	FOREIGN KEY(stack_id) REFERENCES stacks (id)
)
 WITHOUT ROWID

;
INSERT INTO "reading_births" VALUES(1,1,'python',0,100.0);
INSERT INTO "reading_births" VALUES(2,1,'python',0,100.0);
CREATE TABLE reading_handles (
	reading_id INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	stack_id INTEGER NOT NULL, 
	count BIGINT NOT NULL, 
	detail TEXT NOT NULL, 
	PRIMARY KEY (reading_id, number), 
	FOREIGN KEY(reading_id) REFERENCES readings (id), 
	FOREIGN KEY(stack_id) REFERENCES stacks (id)
)
 WITHOUT ROWID

;
INSERT INTO "reading_handles" VALUES(1,0,'fd',1,2,'/tmp/x');
INSERT INTO "reading_handles" VALUES(2,0,'fd',1,2,'/tmp/x');
CREATE TABLE reading_sites (
	reading_id INTEGER NOT NULL, 
	stack_id INTEGER NOT NULL, 
	domain TEXT NOT NULL, 
	bytes DOUBLE NOT NULL, 
	count DOUBLE NOT NULL, 
	error DOUBLE, 
	partial BOOLEAN NOT NULL, 
	PRIMARY KEY (reading_id, stack_id, domain), 
	FOREIGN KEY(reading_id) REFERENCES readings (id), 
	FOREIGN KEY(stack_id) REFERENCES stacks (id)
)
 WITHOUT ROWID

;
INSERT INTO "reading_sites" VALUES(1,1,'python',100.0,2.0,1.5,0);
INSERT INTO "reading_sites" VALUES(2,1,'python',200.0,2.0,1.5,0);
CREATE TABLE reading_types (
	reading_id INTEGER NOT NULL, 
	type_id INTEGER NOT NULL, 
	count BIGINT NOT NULL, 
	bytes BIGINT, 
	PRIMARY KEY (reading_id, type_id), 
	FOREIGN KEY(reading_id) REFERENCES readings (id), 
	FOREIGN KEY(type_id) REFERENCES types (id)
)
 WITHOUT ROWID

;
INSERT INTO "reading_types" VALUES(1,1,5,500);
INSERT INTO "reading_types" VALUES(2,1,5,500);
CREATE TABLE readings (
	id INTEGER NOT NULL, 
	run_id INTEGER NOT NULL, 
	process TEXT NOT NULL, 
	ms BIGINT NOT NULL, 
	cycle INTEGER NOT NULL, 
	phase TEXT NOT NULL, 
	segment INTEGER NOT NULL, 
	agent_mode TEXT NOT NULL, 
	frames INTEGER, 
	collected BOOLEAN NOT NULL, 
	pause_ms DOUBLE, 
	traced_bytes DOUBLE, 
	agent_bytes DOUBLE, 
	gc_objects BIGINT, 
	tasks BIGINT, 
	threads BIGINT, 
	warnings TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(run_id) REFERENCES runs (id), 
	UNIQUE (run_id, process, ms)
);
INSERT INTO "readings" VALUES(1,1,'9:main',58000,0,'quiet',0,'sampler',NULL,0,NULL,1000000.0,NULL,NULL,NULL,NULL,'["w"]','{}');
INSERT INTO "readings" VALUES(2,1,'9:main',118000,1,'quiet',0,'sampler',NULL,0,NULL,1000000.0,NULL,NULL,NULL,NULL,'["w"]','{}');
CREATE TABLE runs (
	id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	host TEXT NOT NULL, 
	status TEXT NOT NULL, 
	started DOUBLE NOT NULL, 
	ended DOUBLE, 
	duration_s DOUBLE, 
	version TEXT, 
	soak_version TEXT NOT NULL, 
	cycle_seconds DOUBLE NOT NULL, 
	quiet_seconds DOUBLE NOT NULL, 
	cycles_planned INTEGER, 
	verdict TEXT, 
	exit_code INTEGER, 
	baseline TEXT, 
	owner_pid BIGINT, 
	owner_start BIGINT, 
	last_write DOUBLE NOT NULL, 
	config TEXT NOT NULL, 
	target TEXT NOT NULL, 
	error TEXT, thinned_ms BIGINT DEFAULT '0' NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "runs" VALUES(1,'orders-api','here','completed',1767225600.0,1767225720.0,120.0,'abc','0.1.0',60.0,9.0,2,'leak',1,NULL,7,70,1767225720.0,'{"load":{"high":50.0},"limits":{"growth":"1MB/h"}}','{"command":["python"]}',NULL,0);
INSERT INTO "runs" VALUES(2,'orders-api','here','running',1767312000.0,NULL,NULL,NULL,'0.1.0',60.0,9.0,2,NULL,NULL,NULL,NULL,NULL,1767225720.0,'{"load":{"high":50.0},"limits":{"growth":"1MB/h"}}','{}',NULL,0);
CREATE TABLE sample_buckets (
	series_id INTEGER NOT NULL, 
	ms BIGINT NOT NULL, 
	width_ms BIGINT NOT NULL, 
	count INTEGER NOT NULL, 
	gaps INTEGER NOT NULL, 
	low DOUBLE, 
	mean DOUBLE, 
	high DOUBLE, 
	PRIMARY KEY (series_id, ms), 
	FOREIGN KEY(series_id) REFERENCES series (id)
)
 WITHOUT ROWID

;
CREATE TABLE samples (
	series_id INTEGER NOT NULL, 
	ms BIGINT NOT NULL, 
	value DOUBLE, 
	cost_us INTEGER, 
	PRIMARY KEY (series_id, ms), 
	FOREIGN KEY(series_id) REFERENCES series (id)
)
 WITHOUT ROWID

;
INSERT INTO "samples" VALUES(1,0,1000000.0,2);
INSERT INTO "samples" VALUES(1,1000,1000100.0,2);
INSERT INTO "samples" VALUES(1,2000,1000200.0,2);
INSERT INTO "samples" VALUES(1,3000,1000300.0,2);
INSERT INTO "samples" VALUES(1,4000,1000400.0,2);
INSERT INTO "samples" VALUES(1,5000,1000500.0,2);
INSERT INTO "samples" VALUES(1,6000,1000600.0,2);
INSERT INTO "samples" VALUES(1,7000,1000700.0,2);
INSERT INTO "samples" VALUES(1,8000,1000800.0,2);
INSERT INTO "samples" VALUES(1,9000,1000900.0,2);
INSERT INTO "samples" VALUES(1,10000,1001000.0,2);
INSERT INTO "samples" VALUES(1,11000,1001100.0,2);
INSERT INTO "samples" VALUES(1,12000,1001200.0,2);
INSERT INTO "samples" VALUES(1,13000,1001300.0,2);
INSERT INTO "samples" VALUES(1,14000,1001400.0,2);
INSERT INTO "samples" VALUES(1,15000,1001500.0,2);
INSERT INTO "samples" VALUES(1,16000,1001600.0,2);
INSERT INTO "samples" VALUES(1,17000,1001700.0,2);
INSERT INTO "samples" VALUES(1,18000,1001800.0,2);
INSERT INTO "samples" VALUES(1,19000,1001900.0,2);
INSERT INTO "samples" VALUES(1,20000,1002000.0,2);
INSERT INTO "samples" VALUES(1,21000,1002100.0,2);
INSERT INTO "samples" VALUES(1,22000,1002200.0,2);
INSERT INTO "samples" VALUES(1,23000,1002300.0,2);
INSERT INTO "samples" VALUES(1,24000,1002400.0,2);
INSERT INTO "samples" VALUES(1,25000,1002500.0,2);
INSERT INTO "samples" VALUES(1,26000,1002600.0,2);
INSERT INTO "samples" VALUES(1,27000,1002700.0,2);
INSERT INTO "samples" VALUES(1,28000,1002800.0,2);
INSERT INTO "samples" VALUES(1,29000,1002900.0,2);
INSERT INTO "samples" VALUES(1,30000,1003000.0,2);
INSERT INTO "samples" VALUES(1,31000,1003100.0,2);
INSERT INTO "samples" VALUES(1,32000,1003200.0,2);
INSERT INTO "samples" VALUES(1,33000,1003300.0,2);
INSERT INTO "samples" VALUES(1,34000,1003400.0,2);
INSERT INTO "samples" VALUES(1,35000,1003500.0,2);
INSERT INTO "samples" VALUES(1,36000,1003600.0,2);
INSERT INTO "samples" VALUES(1,37000,1003700.0,2);
INSERT INTO "samples" VALUES(1,38000,1003800.0,2);
INSERT INTO "samples" VALUES(1,39000,1003900.0,2);
INSERT INTO "samples" VALUES(1,40000,1004000.0,2);
INSERT INTO "samples" VALUES(1,41000,1004100.0,2);
INSERT INTO "samples" VALUES(1,42000,1004200.0,2);
INSERT INTO "samples" VALUES(1,43000,1004300.0,2);
INSERT INTO "samples" VALUES(1,44000,1004400.0,2);
INSERT INTO "samples" VALUES(1,45000,1004500.0,2);
INSERT INTO "samples" VALUES(1,46000,1004600.0,2);
INSERT INTO "samples" VALUES(1,47000,1004700.0,2);
INSERT INTO "samples" VALUES(1,48000,1004800.0,2);
INSERT INTO "samples" VALUES(1,49000,1004900.0,2);
INSERT INTO "samples" VALUES(1,50000,1005000.0,2);
INSERT INTO "samples" VALUES(1,50500,NULL,NULL);
INSERT INTO "samples" VALUES(1,51000,1005100.0,2);
INSERT INTO "samples" VALUES(1,52000,1005200.0,2);
INSERT INTO "samples" VALUES(1,53000,1005300.0,2);
INSERT INTO "samples" VALUES(1,54000,1005400.0,2);
INSERT INTO "samples" VALUES(1,55000,1005500.0,2);
INSERT INTO "samples" VALUES(1,56000,1005600.0,2);
INSERT INTO "samples" VALUES(1,57000,1005700.0,2);
INSERT INTO "samples" VALUES(1,58000,1005800.0,2);
INSERT INTO "samples" VALUES(1,59000,1005900.0,2);
INSERT INTO "samples" VALUES(1,60000,1006000.0,2);
INSERT INTO "samples" VALUES(1,61000,1006100.0,2);
INSERT INTO "samples" VALUES(1,62000,1006200.0,2);
INSERT INTO "samples" VALUES(1,63000,1006300.0,2);
INSERT INTO "samples" VALUES(1,64000,1006400.0,2);
INSERT INTO "samples" VALUES(1,65000,1006500.0,2);
INSERT INTO "samples" VALUES(1,66000,1006600.0,2);
INSERT INTO "samples" VALUES(1,67000,1006700.0,2);
INSERT INTO "samples" VALUES(1,68000,1006800.0,2);
INSERT INTO "samples" VALUES(1,69000,1006900.0,2);
INSERT INTO "samples" VALUES(1,70000,1007000.0,2);
INSERT INTO "samples" VALUES(1,71000,1007100.0,2);
INSERT INTO "samples" VALUES(1,72000,1007200.0,2);
INSERT INTO "samples" VALUES(1,73000,1007300.0,2);
INSERT INTO "samples" VALUES(1,74000,1007400.0,2);
INSERT INTO "samples" VALUES(1,75000,1007500.0,2);
INSERT INTO "samples" VALUES(1,76000,1007600.0,2);
INSERT INTO "samples" VALUES(1,77000,1007700.0,2);
INSERT INTO "samples" VALUES(1,78000,1007800.0,2);
INSERT INTO "samples" VALUES(1,79000,1007900.0,2);
INSERT INTO "samples" VALUES(1,80000,1008000.0,2);
INSERT INTO "samples" VALUES(1,81000,1008100.0,2);
INSERT INTO "samples" VALUES(1,82000,1008200.0,2);
INSERT INTO "samples" VALUES(1,83000,1008300.0,2);
INSERT INTO "samples" VALUES(1,84000,1008400.0,2);
INSERT INTO "samples" VALUES(1,85000,1008500.0,2);
INSERT INTO "samples" VALUES(1,86000,1008600.0,2);
INSERT INTO "samples" VALUES(1,87000,1008700.0,2);
INSERT INTO "samples" VALUES(1,88000,1008800.0,2);
INSERT INTO "samples" VALUES(1,89000,1008900.0,2);
INSERT INTO "samples" VALUES(1,90000,1009000.0,2);
INSERT INTO "samples" VALUES(1,91000,1009100.0,2);
INSERT INTO "samples" VALUES(1,92000,1009200.0,2);
INSERT INTO "samples" VALUES(1,93000,1009300.0,2);
INSERT INTO "samples" VALUES(1,94000,1009400.0,2);
INSERT INTO "samples" VALUES(1,95000,1009500.0,2);
INSERT INTO "samples" VALUES(1,96000,1009600.0,2);
INSERT INTO "samples" VALUES(1,97000,1009700.0,2);
INSERT INTO "samples" VALUES(1,98000,1009800.0,2);
INSERT INTO "samples" VALUES(1,99000,1009900.0,2);
INSERT INTO "samples" VALUES(1,100000,1010000.0,2);
INSERT INTO "samples" VALUES(1,101000,1010100.0,2);
INSERT INTO "samples" VALUES(1,102000,1010200.0,2);
INSERT INTO "samples" VALUES(1,103000,1010300.0,2);
INSERT INTO "samples" VALUES(1,104000,1010400.0,2);
INSERT INTO "samples" VALUES(1,105000,1010500.0,2);
INSERT INTO "samples" VALUES(1,106000,1010600.0,2);
INSERT INTO "samples" VALUES(1,107000,1010700.0,2);
INSERT INTO "samples" VALUES(1,108000,1010800.0,2);
INSERT INTO "samples" VALUES(1,109000,1010900.0,2);
INSERT INTO "samples" VALUES(1,110000,1011000.0,2);
INSERT INTO "samples" VALUES(1,111000,1011100.0,2);
INSERT INTO "samples" VALUES(1,112000,1011200.0,2);
INSERT INTO "samples" VALUES(1,113000,1011300.0,2);
INSERT INTO "samples" VALUES(1,114000,1011400.0,2);
INSERT INTO "samples" VALUES(1,115000,1011500.0,2);
INSERT INTO "samples" VALUES(1,116000,1011600.0,2);
INSERT INTO "samples" VALUES(1,117000,1011700.0,2);
INSERT INTO "samples" VALUES(1,118000,1011800.0,2);
INSERT INTO "samples" VALUES(1,119000,1011900.0,2);
INSERT INTO "samples" VALUES(2,0,1.0,NULL);
CREATE TABLE segments (
	run_id INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	ms BIGINT NOT NULL, 
	why TEXT NOT NULL, 
	agent_mode TEXT NOT NULL, 
	PRIMARY KEY (run_id, number), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
);
INSERT INTO "segments" VALUES(1,0,0,'start','sampler');
CREATE TABLE series (
	id INTEGER NOT NULL, 
	run_id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	unit TEXT NOT NULL, 
	process TEXT NOT NULL, 
	gates BOOLEAN NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(run_id) REFERENCES runs (id), 
	UNIQUE (run_id, name, process)
);
INSERT INTO "series" VALUES(1,1,'rss','bytes','total',1);
INSERT INTO "series" VALUES(2,2,'rss','bytes','total',0);
CREATE TABLE stack_frames (
	stack_id INTEGER NOT NULL, 
	position INTEGER NOT NULL, 
	frame_id INTEGER NOT NULL, 
	PRIMARY KEY (stack_id, position), 
	FOREIGN KEY(frame_id) REFERENCES frames (id), 
	FOREIGN KEY(stack_id) REFERENCES stacks (id)
)
 WITHOUT ROWID

;
INSERT INTO "stack_frames" VALUES(1,0,1);
INSERT INTO "stack_frames" VALUES(1,1,2);
CREATE TABLE stacks (
	id INTEGER NOT NULL, 
	digest BLOB NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (digest)
);
INSERT INTO "stacks" VALUES(1,X'F68D230B72D5B3E3258B6C0A09DA3704');
CREATE TABLE types (
	id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (name)
);
INSERT INTO "types" VALUES(1,'dict');
CREATE INDEX ix_runs_started ON runs (started);
CREATE INDEX ix_events_run_id ON events (run_id);
CREATE INDEX ix_stack_frames_frame_id ON stack_frames (frame_id);
CREATE INDEX ix_reading_sites_stack_id ON reading_sites (stack_id);
CREATE INDEX ix_reading_births_stack_id ON reading_births (stack_id);
CREATE INDEX ix_reading_types_type_id ON reading_types (type_id);
CREATE INDEX ix_reading_handles_stack_id ON reading_handles (stack_id);
CREATE INDEX ix_alert_deliveries_alert_id ON alert_deliveries (alert_id);
CREATE INDEX ix_alert_deliveries_next_try ON alert_deliveries (next_try);
COMMIT;
