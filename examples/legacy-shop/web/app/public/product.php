<?php
// From the time before index.php: search engines and printed catalogues still
// point here.
require __DIR__ . '/../src/bootstrap.php';

$product = product((int) ($_GET['id'] ?? 0));
if ($product === null) {
    http_response_code(404);
    page('Not found', '<p>This product is no longer sold.</p>');
    exit;
}
page($product['name'], render('product', ['product' => $product]));
