<?php
// For the back office; nginx asks for the password.
require __DIR__ . '/../../src/bootstrap.php';

page('All orders', render('admin', ['orders' => latestOrders(), 'waiting' => redis()->lLen('shop:mail')]));
