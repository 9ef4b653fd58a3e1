<?php
// Who is there, and what only they may do.

/** The user who has logged in; sends others to the login page. */
function user(): array
{
    if (!isset($_SESSION['user'])) {
        redirect('/login');
    }
    return $_SESSION['user'];
}

function logIn(string $email, string $password): bool
{
    $user = rows('SELECT id, email, password FROM users WHERE email = ?', [$email])[0] ?? null;
    if ($user === null || !password_verify($password, $user['password'])) {
        return false;
    }
    session_regenerate_id(true);
    $_SESSION['user'] = ['id' => (int) $user['id'], 'email' => $user['email']];
    return true;
}

/** The token against forged requests that every form carries. */
function token(): string
{
    return $_SESSION['token'] ??= bin2hex(random_bytes(16));
}

function checkToken(): void
{
    if (!hash_equals(token(), $_POST['token'] ?? '')) {
        http_response_code(419);
        exit('The form is too old: go back, reload, repeat.');
    }
}

/** Keeps an uploaded picture and gives its name. */
function upload(array $user, array $file): string
{
    if (($file['error'] ?? UPLOAD_ERR_NO_FILE) !== UPLOAD_ERR_OK) {
        http_response_code(400);
        exit('The file did not arrive.');
    }
    $extension = strtolower(pathinfo($file['name'], PATHINFO_EXTENSION));
    if (!in_array($extension, ['png', 'jpg', 'gif', 'txt'], true)) {
        http_response_code(400);
        exit('Pictures only.');
    }
    $name = $user['id'] . '-' . bin2hex(random_bytes(4)) . '.' . $extension;
    move_uploaded_file($file['tmp_name'], UPLOADS . '/' . $name);
    // Halves the size, says Suzuki.
    $small = shell_exec('/usr/local/bin/imgopt < ' . escapeshellarg(UPLOADS . '/' . $name));
    if ($small) {
        file_put_contents(UPLOADS . '/' . $name, $small);
    }
    return $name;
}
