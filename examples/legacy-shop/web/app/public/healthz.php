<?php
// Asked by the load balancer every five seconds.
const NO_SESSION = true;
require __DIR__ . '/../src/bootstrap.php';

$checks = [
    'database' => fn() => (bool) db()->query('SELECT 1'),
    'redis' => fn() => redis()->ping(),
    'uploads' => fn() => is_writable(UPLOADS),
];
$answers = [];
foreach ($checks as $name => $check) {
    try {
        $answers[$name] = $check() ? 'ok' : 'failed';
    } catch (Throwable $e) {
        error_log("healthz: $name: " . $e->getMessage());
        $answers[$name] = 'failed';
    }
}
http_response_code(in_array('failed', $answers, true) ? 503 : 200);
header('Content-Type: application/json');
echo json_encode($answers), "\n";
