<?php
// What is kept: MariaDB for what must stay, Redis for the cache and the queue.

function db(): PDO
{
    static $db;
    return $db ??= new PDO(
        'mysql:host=' . CONFIG['db']['host'] . ';dbname=' . CONFIG['db']['name'] . ';charset=utf8mb4',
        CONFIG['db']['user'],
        CONFIG['db']['password'],
        [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION, PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC, PDO::ATTR_TIMEOUT => 3]
    );
}

function redis(): Redis
{
    static $redis;
    if (!$redis) {
        $redis = new Redis();
        $redis->connect(CONFIG['redis']['host'], 6379, 2.0);
        $redis->auth(CONFIG['redis']['password']);
    }
    return $redis;
}

function rows(string $query, array $values = []): array
{
    $statement = db()->prepare($query);
    $statement->execute($values);
    return $statement->fetchAll();
}

/** All products, from the cache for half a minute. */
function products(): array
{
    $cached = redis()->get('shop:products');
    if ($cached !== false) {
        return json_decode($cached, true);
    }
    $products = rows('SELECT id, name, price FROM products ORDER BY id');
    redis()->setex('shop:products', 30, json_encode($products));
    return $products;
}

function product(int $id): ?array
{
    return rows('SELECT id, name, price, description FROM products WHERE id = ?', [$id])[0] ?? null;
}

function ordersOf(int $user): array
{
    return rows('SELECT o.id, p.name, o.quantity, o.total, o.ordered FROM orders o JOIN products p ON p.id = o.product
        WHERE o.user = ? ORDER BY o.id DESC LIMIT 50', [$user]);
}

function latestOrders(): array
{
    return rows('SELECT o.id, p.name, o.quantity, o.total, o.ordered, o.server FROM orders o JOIN products p ON p.id = o.product
        ORDER BY o.id DESC LIMIT 50');
}

/** Takes an order, and has its confirmation sent by the worker. */
function order(array $user, int $id, int $quantity): int
{
    $product = product($id);
    if ($product === null || $quantity < 1 || $quantity > 99) {
        http_response_code(400);
        exit('There is no such product, or not so many of it.');
    }
    $total = Acme\Money\Yen::of((int) $product['price'])->times($quantity);
    db()->prepare('INSERT INTO orders (user, product, quantity, total, server) VALUES (?, ?, ?, ?, ?)')
        ->execute([$user['id'], $id, $quantity, $total->amount(), gethostname()]);
    $order = (int) db()->lastInsertId();
    redis()->rPush('shop:mail', json_encode(['to' => $user['email'], 'order' => $order, 'total' => (string) $total]));
    return $order;
}
