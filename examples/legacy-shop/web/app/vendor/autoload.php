<?php
spl_autoload_register(static function (string $class): void {
    $prefix = 'Acme\\Money\\';
    if (str_starts_with($class, $prefix)) {
        require __DIR__ . '/acme/money/src/' . substr($class, strlen($prefix)) . '.php';
    }
});
