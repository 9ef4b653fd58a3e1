<p><?= e($waiting) ?> mails are waiting.</p>
<table class="orders">
<tr><th>order</th><th>product</th><th>quantity</th><th>total</th><th>ordered</th><th>by server</th></tr>
<?php foreach ($orders as $o): ?>
<tr><td><?= e($o['id']) ?></td><td><?= e($o['name']) ?></td><td><?= e($o['quantity']) ?></td><td><?= e($o['total']) ?></td><td><?= e($o['ordered']) ?></td><td><?= e($o['server']) ?></td></tr>
<?php endforeach ?>
</table>
