<?php if ($error): ?><p class="error"><?= e($error) ?></p><?php endif ?>
<form method="post" action="/login" id="login">
<input type="hidden" name="token" value="<?= e(token()) ?>">
<p><input name="email" type="email" placeholder="address"> <input name="password" type="password" placeholder="password"> <button>Log in</button></p>
</form>
