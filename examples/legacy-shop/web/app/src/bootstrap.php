<?php
require __DIR__ . '/../vendor/autoload.php';
require __DIR__ . '/store.php';
require __DIR__ . '/view.php';
require __DIR__ . '/account.php';

// The real path: what is configured is outside of the release.
define('CONFIG', require __DIR__ . '/../config/config.php');
const UPLOADS = __DIR__ . '/../public/uploads';

if (PHP_SAPI !== 'cli' && !defined('NO_SESSION')) {
    session_name('SHOPSESSID');
    session_start();
}
