<?php
// Sends what waits in the queue. Runs for ever, started by /etc/init.d/shop-worker.
require __DIR__ . '/../src/bootstrap.php';

while (true) {
    try {
        $next = redis()->blPop(['shop:mail'], 1);
    } catch (RedisException $e) {
        error_log('worker: ' . $e->getMessage());
        exit(1); // whoever started it starts it again
    }
    if (!$next) {
        continue;
    }
    $mail = json_decode($next[1], true);
    mail($mail['to'], "Your order {$mail['order']}", "Thank you. Your order of {$mail['total']} is on its way.\n", 'From: shop@shop.example');
}
