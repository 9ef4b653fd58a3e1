<p><?= e($product['description']) ?></p>
<p class="price"><?= e(Acme\Money\Yen::of((int) $product['price'])) ?></p>
<form method="post" action="/order">
<input type="hidden" name="token" value="<?= e(token()) ?>">
<input type="hidden" name="product" value="<?= e($product['id']) ?>">
<input name="quantity" value="1" size="2"> <button>Order</button>
</form>
