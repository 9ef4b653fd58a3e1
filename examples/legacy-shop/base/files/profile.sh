# For whoever logs in.
export SHOP_ROOT=/var/www/shop/current
alias ll='ls -l'
