<?php
// The mobile application's API, run by a pool of its own.
const NO_SESSION = true;
require __DIR__ . '/../src/bootstrap.php';

header('Content-Type: application/json');
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
if ($path === '/api/products') {
    echo json_encode(['products' => products()]), "\n";
} elseif ($path === '/api/orders') {
    $key = (string) getenv('SHOP_API_KEY');
    if ($key === '' || !hash_equals($key, $_SERVER['HTTP_X_API_KEY'] ?? '')) {
        http_response_code(401);
        echo json_encode(['error' => 'the API key is missing or wrong']), "\n";
        exit;
    }
    echo json_encode(['orders' => latestOrders()]), "\n";
} else {
    http_response_code(404);
    echo json_encode(['error' => 'no such thing']), "\n";
}
