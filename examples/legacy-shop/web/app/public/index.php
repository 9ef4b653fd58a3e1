<?php
// Front controller: every path that is no file ends up here.
require __DIR__ . '/../src/bootstrap.php';

$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
$method = $_SERVER['REQUEST_METHOD'];

switch ("$method $path") {
    case 'GET /':
        page('Products', render('products', ['products' => products()]));
        break;
    case 'GET /contact':
        page('Contact', '<p>Call us: 03-1234-5678</p>');
        break;
    case 'GET /login':
        page('Log in', render('login', ['error' => '']));
        break;
    case 'POST /login':
        checkToken();
        if (!logIn($_POST['email'] ?? '', $_POST['password'] ?? '')) {
            http_response_code(403);
            page('Log in', render('login', ['error' => 'Wrong address or password.']));
            break;
        }
        redirect('/account');
        break;
    case 'POST /logout':
        checkToken();
        session_destroy();
        redirect('/');
        break;
    case 'GET /account':
        page('Your orders', render('account', ['user' => user(), 'orders' => ordersOf(user()['id'])]));
        break;
    case 'POST /order':
        checkToken();
        redirect('/account?ordered=' . order(user(), (int) ($_POST['product'] ?? 0), (int) ($_POST['quantity'] ?? 1)));
        break;
    case 'POST /upload':
        checkToken();
        redirect('/uploads/' . rawurlencode(upload(user(), $_FILES['file'] ?? [])));
        break;
    default:
        http_response_code(404);
        page('Not found', '<p>There is nothing here.</p>');
}
