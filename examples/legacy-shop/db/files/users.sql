FLUSH PRIVILEGES;
CREATE DATABASE shop CHARACTER SET utf8mb4;
CREATE USER shop@'%' IDENTIFIED BY 'lamps4ever!';
GRANT ALL ON shop.* TO shop@'%';
CREATE USER backup@localhost IDENTIFIED BY 'B4ckup-2017';
GRANT SELECT, LOCK TABLES ON shop.* TO backup@localhost;
USE shop;
