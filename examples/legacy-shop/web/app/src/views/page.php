<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title><?= e($title) ?> – Lamp Shop</title><link rel="stylesheet" href="/css/shop.css"></head>
<body>
<p><a href="/">Lamp Shop</a> · <a href="/account">your orders</a> · <a href="/contact">contact</a></p>
<h1><?= e($title) ?></h1>
<?= $content ?>
</body>
</html>
