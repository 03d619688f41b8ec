"""What paycue costs beside the raw drivers and beside its peers: figures taken as ratios inside one run, on the servers of this machine."""
