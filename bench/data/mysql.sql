-- The benchmark's data, made by the server itself. Indexes come last: it is
-- quicker.
DROP DATABASE IF EXISTS shop;
CREATE DATABASE shop CHARACTER SET utf8mb4;
USE shop;
CREATE TABLE customers (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  email VARCHAR(120) NOT NULL, name VARCHAR(80) NOT NULL, phone VARCHAR(24), address VARCHAR(200),
  born DATE, score FLOAT, settings LONGTEXT CHECK (JSON_VALID(settings)), updated TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3));
INSERT INTO customers
  SELECT seq, CONCAT('user', seq, '.', LEFT(MD5(seq), 6), '@example.com'), CONCAT('Name ', LEFT(SHA1(seq), 10), ' Ünïcødé'),
    CONCAT('+49 30 ', 1000000 + seq), CONCAT('Street ', MOD(seq, 997), ', ', 10000 + MOD(seq * 7, 89999), ' City ', MOD(seq, 5003)),
    DATE('1950-01-01') + INTERVAL MOD(seq * 13, 20000) DAY, MOD(seq * 31, 1000) / 7,
    CONCAT('{"theme":"', ELT(1 + MOD(seq, 3), 'dark', 'light', 'auto'), '","n":', seq, '}'),
    '2026-01-01 00:00:00' + INTERVAL seq SECOND
  FROM seq_1_to_{{.Customers}};
ALTER TABLE customers ADD UNIQUE KEY email (email), ADD KEY name (name);

CREATE TABLE orders (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  customer INT UNSIGNED NOT NULL, status ENUM('new', 'paid', 'sent', 'done') NOT NULL, amount DECIMAL(12,2) NOT NULL,
  created DATETIME NOT NULL, note VARCHAR(60));
INSERT INTO orders
  SELECT seq * 3, 1 + MOD(seq * 7919, {{.Customers}}), ELT(1 + MOD(seq, 4), 'new', 'paid', 'sent', 'done'), MOD(seq * 17, 1000000) / 100,
    '2020-01-01' + INTERVAL MOD(seq * 48271, 150000000) SECOND, IF(MOD(seq, 3) = 0, NULL, LEFT(MD5(seq), 20))
  FROM seq_1_to_{{.Orders}};
ALTER TABLE orders ADD KEY customer (customer), ADD KEY created (created), ADD KEY status_created (status, created);

CREATE TABLE events (
  tenant SMALLINT NOT NULL, at DATETIME(6) NOT NULL, seq INT NOT NULL, kind VARCHAR(20) CHARACTER SET latin1 NOT NULL,
  payload VARBINARY(120), value DOUBLE, PRIMARY KEY (tenant, at, seq));
INSERT INTO events
  SELECT MOD(seq DIV 100000, 50), '2026-01-01' + INTERVAL seq * 10 SECOND, seq, CONCAT('kind-', MOD(seq, 37)), UNHEX(SHA2(seq, 256)), seq / 3
  FROM seq_1_to_{{.Events}};
ALTER TABLE events ADD KEY kind (kind);

CREATE TABLE files (id CHAR(36) CHARACTER SET ascii NOT NULL PRIMARY KEY, name VARCHAR(100), body MEDIUMBLOB);
INSERT INTO files
  SELECT INSERT(INSERT(INSERT(INSERT(MD5(seq), 9, 0, '-'), 14, 0, '-'), 19, 0, '-'), 24, 0, '-'), CONCAT('file ', seq),
    REPEAT(UNHEX(SHA2(seq, 512)), 60 + MOD(seq, 200))
  FROM seq_1_to_{{.Files}};
ANALYZE TABLE customers, orders, events, files;
