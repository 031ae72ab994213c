# Runs the server for as long as somebody holds the other end of standard input.
#
#   sh -c '<this>' etrplus-postgres SERVER SIGNAL REMOVE ARGUMENT...
#
# When that end closes, because it was closed or because its process is gone (also by SIGKILL), the server gets
# SIGNAL and, should it take longer than 10 seconds, SIGQUIT. REMOVE is a directory to delete at the end, or ''.
# The first line of standard output is the server's process id. Exits as the server does.
server_program=$1 signal=$2 remove=$3
shift 3
exec 3<&0 </dev/null
"$server_program" "$@" 3<&- >&2 &
server=$!
echo "$server"
exec >&2
(
    read -r nothing <&3
    tries=0
    # Repeated, for a server that has not come as far as to listen to signals.
    while kill -s "$signal" "$server" 2>/dev/null; do
        sleep 0.05
        tries=$((tries + 1))
        [ "$tries" -eq 200 ] && signal=QUIT
        [ "$tries" -eq 300 ] && signal=KILL
    done
) &
guard=$!
exec 3<&-
wait "$server"
status=$?
kill "$guard" 2>/dev/null
[ -n "$remove" ] && rm -rf -- "$remove"
exit "$status"
