CREATE TABLE users (id INT AUTO_INCREMENT PRIMARY KEY, email VARCHAR(190) NOT NULL UNIQUE, password VARCHAR(255) NOT NULL);
CREATE TABLE products (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(190) NOT NULL, price INT NOT NULL, description TEXT NOT NULL);
CREATE TABLE orders (id INT AUTO_INCREMENT PRIMARY KEY, user INT NOT NULL, product INT NOT NULL, quantity INT NOT NULL, total INT NOT NULL, server VARCHAR(63) NOT NULL, ordered TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, invoiced TIMESTAMP NULL, INDEX (user));
INSERT INTO products (name, price, description) VALUES ('Desk lamp', 4800, 'Bends where you need it.'), ('Floor lamp', 12800, 'Lights a corner.'), ('Lantern', 3200, 'For the garden, and for festivals.'), ('Night light', 1500, 'Against monsters.');
INSERT INTO users (email, password) VALUES ('customer@shop.example', '$2y$12$fJ.2mU/8DpangqvdkFB6KeUJ8ad3vFfN1S6S49eXSu4aX4IxXBbwa');
