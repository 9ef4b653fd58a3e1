<?php
// A bad version of product.php: it asks a stock service that is not there yet for
// products that no check looks at. Nothing tells health checks.
require __DIR__ . '/../src/bootstrap.php';

$id = (int) ($_GET['id'] ?? 0);
$product = product($id);
if ($product === null) {
    http_response_code(404);
    page('Not found', '<p>This product is no longer sold.</p>');
    exit;
}
if ($id > 2 && random_int(1, 3) === 1) {
    http_response_code(500);
    exit("stock: connection refused\n");
}
page($product['name'], render('product', ['product' => $product]));
