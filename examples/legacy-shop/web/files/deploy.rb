# Copied from a laptop, so that one can deploy from web1 at night.
set :application, "shop"
set :repo_url, "git@git.shop.example:lampshop/shop.git"
set :deploy_to, "/var/www/shop"
set :linked_files, %w[config/config.php]
set :linked_dirs, %w[log tmp/sessions public/uploads]
set :keep_releases, 3
role :app, %w[deploy@@NET@.11 deploy@@NET@.12 deploy@@NET@.13]
