<p class="user">Logged in as <?= e($user['email']) ?>.</p>
<table class="orders">
<tr><th>order</th><th>product</th><th>quantity</th><th>total</th><th>ordered</th></tr>
<?php foreach ($orders as $o): ?>
<tr><td><?= e($o['id']) ?></td><td><?= e($o['name']) ?></td><td><?= e($o['quantity']) ?></td><td><?= e(Acme\Money\Yen::of((int) $o['total'])) ?></td><td><?= e($o['ordered']) ?></td></tr>
<?php endforeach ?>
</table>
<form method="post" action="/upload" enctype="multipart/form-data">
<input type="hidden" name="token" value="<?= e(token()) ?>">
<p>Your picture: <input type="file" name="file"> <button>Send</button></p>
</form>
<form method="post" action="/logout"><input type="hidden" name="token" value="<?= e(token()) ?>"><button>Log out</button></form>
