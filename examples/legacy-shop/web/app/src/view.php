<?php
// HTML.

function e($text): string
{
    return htmlspecialchars((string) $text, ENT_QUOTES);
}

function redirect(string $to): never
{
    header("Location: $to", true, 302);
    exit;
}

function render(string $view, array $values): string
{
    extract($values);
    ob_start();
    require __DIR__ . "/views/$view.php";
    return ob_get_clean();
}

function page(string $title, string $content): void
{
    header('Content-Type: text/html; charset=utf-8');
    header('X-Served-By: ' . gethostname());
    require __DIR__ . '/views/page.php';
}
