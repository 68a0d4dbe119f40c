# Stops the server where it runs, starts it, and waits until it is ready.
lock=server/state/container.lock
if [ -s $lock ]; then
  pid=$(cat $lock)
  kill $pid 2>/dev/null
  for i in $(seq 200); do kill -0 $pid 2>/dev/null || break; sleep 0.05; done
fi
rm -f server.log  # which said that the one before was ready
connector -c server/connector.toml run > server.log 2>&1 &
for i in $(seq 600); do grep -qs 'is ready' server.log && exit 0; kill -0 $! 2>/dev/null || break; sleep 0.05; done
tail -5 server.log
exit 1
