%% The same children under OTP: gen_servers under one one_for_one supervisor.
-module(otp_tasks).
-behaviour(gen_server).
-export([main/1, init/1, handle_call/3, handle_cast/2, handle_info/2, handle_continue/2, child/1]).

child(A) -> gen_server:start_link(?MODULE, {child, A}, []).
init({sup, _}) -> {ok, {#{strategy => one_for_one, intensity => 100000000, period => 1}, []}};
init({child, {idle, Up}}) -> counters:add(Up, 1, 1), {ok, idle};
init({child, {crash, Tester}}) -> Tester ! {up, self(), erlang:monotonic_time(nanosecond)}, {ok, {crash, Tester}};
init({child, {loop, C}}) -> {ok, {loop, C}, {continue, go}}.
handle_continue(go, {loop, C}) -> counters:add(C, 1, 1), exit(crash).
handle_call(_, _, S) -> {reply, ok, S}.
handle_cast(_, S) -> {noreply, S}.
handle_info(crash, {crash, T}) -> T ! {down, erlang:monotonic_time(nanosecond)}, exit(crash);
handle_info(crash, idle) -> exit(crash);
handle_info(_, S) -> {noreply, S}.

pss() ->
    {ok, B} = file:read_file("/proc/self/smaps_rollup"),
    {match, [K]} = re:run(B, "Pss: +(\\d+)", [{capture, [1], list}]), list_to_integer(K).

lat(_, 0, Acc) -> lists:sort(Acc);
lat(P, N, Acc) ->
    timer:sleep(1), P ! crash,
    D = receive {down, X} -> X end,
    {P2, U} = receive {up, Q, Y} -> {Q, Y} end,
    lat(P2, N - 1, [(U - D) / 1000 | Acc]).

until(C, N) -> case counters:get(C, 1) >= N of true -> ok; false -> erlang:yield(), until(C, N) end.

main([Number]) ->
    process_flag(trap_exit, true),
    N = list_to_integer(Number),
    {ok, Sup} = supervisor:start_link(?MODULE, {sup, x}),
    timer:sleep(300), erlang:garbage_collect(), M0 = pss(),
    Up = counters:new(1, []),
    T0 = erlang:monotonic_time(nanosecond),
    Pids = [begin {ok, P} = supervisor:start_child(Sup, #{id => I, start => {?MODULE, child, [{idle, Up}]}}), P end || I <- lists:seq(1, N)],
    T1 = erlang:monotonic_time(nanosecond),
    timer:sleep(500), M1 = pss(),
    R0 = erlang:monotonic_time(nanosecond),
    [P ! crash || P <- Pids],
    until(Up, 2 * N),
    R1 = erlang:monotonic_time(nanosecond),
    {ok, Crasher} = supervisor:start_child(Sup, #{id => crash, start => {?MODULE, child, [{crash, self()}]}}),
    receive {up, Crasher, _} -> ok end,
    L = lat(Crasher, 1000, []),
    C = counters:new(1, []),
    {ok, _} = supervisor:start_child(Sup, #{id => loop, start => {?MODULE, child, [{loop, C}]}}),
    S0 = counters:get(C, 1), W0 = erlang:monotonic_time(nanosecond), timer:sleep(2000), S1 = counters:get(C, 1), W1 = erlang:monotonic_time(nanosecond),
    io:format("{\"n\": ~b, \"start_us\": ~.4f, \"kb\": ~.3f, \"all_restart_us\": ~.4f, \"restart_us\": ~.3f, \"restart_p50_us\": ~.1f, \"restart_p99_us\": ~.1f}~n",
              [N, (T1 - T0) / 1000 / N, (M1 - M0) / N, (R1 - R0) / 1000 / N, (W1 - W0) / 1000 / max(1, S1 - S0), lists:nth(500, L), lists:nth(990, L)]),
    halt(0).
