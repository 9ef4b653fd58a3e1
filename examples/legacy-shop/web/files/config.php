<?php
// Not in git. Edit it on every server.
return [
    'db' => ['host' => '@NET@.21', 'name' => 'shop', 'user' => 'shop', 'password' => 'lamps4ever!'],
    'redis' => ['host' => 'db1', 'password' => 'r3dis-of-2016'],
    'mail' => ['from' => 'shop@shop.example'],
    'payment' => ['url' => 'https://payment.shop.example/v1', 'secret' => 'sk_live_4eC39HqLyjWDarjtT1zdp7dc'],
];
