useradd -m -s /bin/bash deploy
