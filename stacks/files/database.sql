CREATE DATABASE IF NOT EXISTS greeter;
CREATE TABLE IF NOT EXISTS greeter.greeting (text VARCHAR(80) NOT NULL PRIMARY KEY);
INSERT IGNORE INTO greeter.greeting VALUES ('Hello from the third tier');

CREATE USER IF NOT EXISTS 'greeter'@'%' IDENTIFIED BY '$password';
GRANT SELECT ON greeter.* TO 'greeter'@'%';
