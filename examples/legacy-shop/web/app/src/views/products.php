<table class="products">
<?php foreach ($products as $p): ?>
<tr><td><a href="/product.php?id=<?= e($p['id']) ?>"><?= e($p['name']) ?></a></td><td><?= e(Acme\Money\Yen::of((int) $p['price'])) ?></td></tr>
<?php endforeach ?>
</table>
