#!/usr/bin/env escript
%% -*- erlang -*-
%% Runs scenarios on the real supervisor: a file with one map for each is the argument, a line of JSON with the trace of each is the
%% output. Only what random scenarios of generate.py need; no clock, no DynamicSupervisor.
-mode(compile).
-behaviour(supervisor).
-export([init/1, log/2, start_worker/2, start_supervisor/2, worker/3]).

main([File]) ->
    logger:remove_handler(default),
    logger:add_handler(oracle, ?MODULE, #{}),
    {ok, Scenarios} = file:consult(File),
    process_flag(trap_exit, true),
    lists:foreach(fun(S) -> io:format("~s~n", [json(play(S))]) end, Scenarios).

play(Scenario) ->
    Self = self(),
    Recorder = spawn_link(fun() -> record([], #{}, 0) end),
    register(recorder, Recorder),
    ets:new(plans, [named_table, public]),
    ets:new(pids, [named_table, public]),
    Start = start_link_top(Scenario),
    case Start of
        {ok, Top} ->
            note({result, start_link, null, <<"ok">>}),
            settle(),
            [step(Step) || Step <- maps:get(steps, Scenario, [])],
            finish(Top);
        {error, Reason} ->
            note({result, start_link, null, #{error => text(Reason)}}),
            note({final, false, null, null})
    end,
    Recorder ! {stop, Self},
    Events = receive {events, E} -> E end,
    unlink(Recorder),
    receive {'EXIT', Recorder, _} -> ok after 0 -> ok end,
    ets:delete(plans), ets:delete(pids),
    flush(),
    Events.

flush() -> receive _ -> flush() after 0 -> ok end.

start_link_top(Scenario) ->
    case supervisor:start_link(?MODULE, {<<>>, Scenario}) of
        {ok, Pid} -> note({top, Pid}), {ok, Pid};
        Other -> Other
    end.

finish(Top) ->
    case is_process_alive(Top) of
        true ->
            note({final, true, which(Top), counts(Top)}),
            exit(Top, shutdown),
            await(Top);
        false -> note({final, false, null, null})
    end.

await(Pid) ->
    Ref = monitor(process, Pid),
    receive {'DOWN', Ref, _, _, _} -> ok end.

%% The recorder -----------------------------------------------------------------------------------------------------------------

note(Event) ->
    Ref = make_ref(),
    recorder ! {note, self(), Ref, Event},
    receive {noted, Ref} -> ok end.

record(Events, Pids, Count) ->
    receive
        {note, From, Ref, {process, Path, N, Pid, Announce}} ->
            erlang:trace(Pid, true, [procs]),
            From ! {noted, Ref},
            Started = [#{ev => started, id => Path, n => N} || Announce],
            record(Started ++ Events, Pids#{Pid => {Path, N}}, Count + 1);
        {note, From, Ref, {top, Pid}} ->
            erlang:trace(Pid, true, [procs]),
            From ! {noted, Ref},
            record(Events, Pids#{Pid => top}, Count + 1);
        {note, From, Ref, {report, Sup, Context, Id, Pid, Reason}} ->
            Base = #{ev => report, sup => Sup, context => Context, level => error, id => Id, reason => text(Reason)},
            Report = case maps:find(Pid, Pids) of
                {ok, {_, N}} -> Base#{n => N};
                error -> Base
            end,
            From ! {noted, Ref},
            record([Report | Events], Pids, Count + 1);
        {note, From, Ref, Event} ->
            From ! {noted, Ref},
            record([event(Event, Pids) | Events], Pids, Count + 1);
        {trace, Pid, exit, Reason} ->
            Event = case maps:find(Pid, Pids) of
                {ok, top} -> [#{ev => supervisor_down, sup => top, reason => text(Reason)}];
                {ok, {Path, N}} -> [#{ev => stopped, id => Path, n => N, reason => text(Reason)}];
                error -> []
            end,
            record(Event ++ Events, Pids, Count + 1);
        {count, From} -> From ! {count, Count}, record(Events, Pids, Count);
        {number, From, Pid} ->
            {_, N} = maps:get(Pid, Pids),
            From ! {number, N},
            record(Events, Pids, Count);
        {stop, From} -> From ! {events, lists:reverse(Events)};
        _ -> record(Events, Pids, Count)
    end.

event({result, Op, Id, Value}, _) -> #{ev => result, op => Op, id => Id, value => Value};
event({start_failed, Path, Outcome}, _) -> #{ev => start_failed, id => Path, outcome => Outcome};
event({final, Alive, Children, Counts}, _) -> #{ev => final, alive => Alive, children => Children, counts => Counts}.

number(Pid) -> recorder ! {number, self(), Pid}, receive {number, N} -> N end.

count() -> recorder ! {count, self()}, receive {count, N} -> N end.

settle() -> settle(count(), 0).

settle(_, Quiet) when Quiet >= 4 ->
    case lists:any(fun restarting/1, ets:match(pids, {{sup, '_'}, '$1'})) of
        true -> settle(count(), 0);
        false -> ok
    end;
settle(Before, Quiet) ->
    timer:sleep(2),
    case count() of
        Before -> settle(Before, Quiet + 1);
        Now -> settle(Now, 0)
    end.

restarting([Pid]) ->
    try lists:any(fun({_, P, _, _}) -> P =:= restarting end, supervisor:which_children(Pid))
    catch exit:_ -> false
    end.

%% Reports ----------------------------------------------------------------------------------------------------------------------

log(#{msg := {report, #{label := {supervisor, Context}, report := Report}}}, _) when Context =/= progress ->
    {supervisor, {Sup, _}} = lists:keyfind(supervisor, 1, Report),
    Offender = proplists:get_value(offender, Report),
    Pid = case proplists:get_value(pid, Offender) of {restarting, P} -> P; P -> P end,
    Path = case ets:lookup(pids, {path, Sup}) of [{_, <<>>}] -> <<"top">>; [{_, Found}] -> Found; [] -> <<"?">> end,
    Id = atom_to_binary(proplists:get_value(id, Offender)),
    note({report, Path, Context, Id, Pid, proplists:get_value(reason, Report)});
log(_, _) -> ok.

%% Children ---------------------------------------------------------------------------------------------------------------------

init({Path, Scenario}) ->
    ets:insert(pids, [{{sup, Path}, self()}, {{path, self()}, Path}]),
    Flags = #{strategy => maps:get(strategy, Scenario, one_for_one), intensity => maps:get(intensity, Scenario, 1),
              period => maps:get(period_ms, Scenario, 5000) div 1000, auto_shutdown => maps:get(auto_shutdown, Scenario, never)},
    {ok, {Flags, [spec(Path, Child) || Child <- maps:get(children, Scenario, [])]}}.

spec(Sup, Child = #{id := Id}) ->
    Path = join(Sup, Id),
    ets:insert_new(plans, {Path, maps:get(plan, Child, []), maps:get(then, Child, ok), 0, Child}),
    Spec = maps:with([id, restart, significant, shutdown, type], Child),
    case Child of
        #{sup := Inner} -> Spec#{start => {?MODULE, start_supervisor, [Path, Inner]}};
        _ -> Spec#{start => {?MODULE, start_worker, [Path, Sup]}}
    end.

join(<<>>, Id) -> atom_to_binary(Id);
join(Sup, Id) -> <<Sup/binary, "/", (atom_to_binary(Id))/binary>>.

successes(Path) -> ets:update_counter(plans, Path, {4, 1}).

start_supervisor(Path, Inner) ->
    case supervisor:start_link(?MODULE, {Path, Inner}) of
        {ok, Pid} ->
            ets:insert(pids, {{child, Path}, Pid}),
            note({process, Path, successes(Path), Pid, true}),
            {ok, Pid};
        {error, Reason} -> note({start_failed, Path, error}), {error, Reason}
    end.

start_worker(Path, _Sup) ->
    [{_, Plan, Then, _, Child}] = ets:lookup(plans, Path),
    {Outcome, Rest} = case Plan of [First | More] -> {First, More}; [] -> {Then, []} end,
    ets:update_element(plans, Path, {2, Rest}),
    case lists:member(Outcome, [ok, ok_extra]) of
        true ->
            {ok, Pid} = proc_lib:start_link(?MODULE, worker, [self(), Child, Path]),
            ets:insert(pids, {{child, Path}, Pid}),
            note({process, Path, successes(Path), Pid, true}),
            case Outcome of ok -> {ok, Pid}; ok_extra -> {ok, Pid, extra} end;
        false ->
            note({start_failed, Path, Outcome}),
            case Outcome of
                error -> {error, boom};
                crash -> exit(crash_in_start);
                throw -> throw(thrown_in_start);
                bad -> not_a_start_result;
                ignore -> ignore
            end
    end.

worker(Parent, Child, _Path) ->
    process_flag(trap_exit, maps:get(trap_exit, Child, true)),
    proc_lib:init_ack(Parent, {ok, self()}),
    live(Parent, maps:get(on_shutdown, Child, exit)).

live(Parent, OnShutdown) ->
    receive
        {die, Reason} -> exit(Reason);
        {'EXIT', Parent, shutdown} ->
            case OnShutdown of exit -> exit(shutdown); #{reason := Reason} -> exit(Reason) end;
        {'EXIT', Parent, Reason} -> exit(Reason);
        _ -> live(Parent, OnShutdown)
    end.

%% Steps ------------------------------------------------------------------------------------------------------------------------

step(Step = #{op := Op}) ->
    Sup = maps:get(sup, Step, <<>>),
    do(Op, Step, Sup),
    settle().

do(exit, #{id := Id, reason := Reason}, Sup) -> die(join(Sup, Id), Reason);
do(exit_together, #{victims := Victims}, Sup) ->
    [{_, Pid}] = ets:lookup(pids, {sup, Sup}),
    Alive = is_process_alive(Pid) andalso erlang:suspend_process(Pid),
    [die(join(Sup, Id), Reason) || #{id := Id, reason := Reason} <- Victims],
    timer:sleep(2),
    Alive andalso erlang:resume_process(Pid);
do(set_plan, Step = #{id := Id, plan := Plan}, Sup) ->
    Path = join(Sup, Id),
    ets:insert_new(plans, {Path, [], ok, 0, #{id => Id}}),
    ets:update_element(plans, Path, [{2, Plan}, {3, maps:get(then, Step, ok)}]);
do(stop, Step, Sup) ->
    answer(stop, Step, Sup, fun(Pid) -> gen_server:stop(Pid, maps:get(reason, Step), infinity), <<"ok">> end);
do(start_child, Step = #{child := Child}, Sup) ->
    answer(start_child, Step#{id => maps:get(id, Child)}, Sup, fun(Pid) -> started(supervisor:start_child(Pid, spec(Sup, Child))) end);
do(restart_child, Step = #{id := Id}, Sup) ->
    answer(restart_child, Step, Sup, fun(Pid) -> restarted(supervisor:restart_child(Pid, Id)) end);
do(which_children, Step, Sup) -> answer(which_children, Step, Sup, fun which/1);
do(count_children, Step, Sup) -> answer(count_children, Step, Sup, fun counts/1);
do(get_childspec, Step = #{id := Id}, Sup) ->
    answer(get_childspec, Step, Sup, fun(Pid) ->
        case supervisor:get_childspec(Pid, Id) of
            {ok, Spec} -> maps:map(fun(_, V) -> text(V) end, maps:with([restart, significant, shutdown, type], Spec));
            {error, Reason} -> #{error => text(Reason)}
        end
    end);
do(Op, Step = #{id := Id}, Sup) ->
    answer(Op, Step, Sup, fun(Pid) ->
        case supervisor:Op(Pid, Id) of ok -> <<"ok">>; {error, Reason} -> #{error => text(Reason)} end
    end).

die(Path, Reason) ->
    case ets:lookup(pids, {child, Path}) of
        [{_, Pid}] ->
            case is_process_alive(Pid) of
                true when Reason =:= kill -> exit(Pid, kill), await(Pid);
                true -> Pid ! {die, Reason}, await(Pid);
                false -> ok
            end;
        [] -> ok
    end.

answer(Op, Step, Sup, Call) ->
    Value = case ets:lookup(pids, {sup, Sup}) of
        [{_, Pid}] ->
            try Call(Pid)
            catch exit:{Reason, _} -> #{exit => text(Reason)}; exit:Reason -> #{exit => text(Reason)}
            end;
        [] -> #{exit => <<"noproc">>}
    end,
    Id = case maps:find(id, Step) of {ok, Found} -> atom_to_binary(Found); error -> null end,
    note({result, Op, Id, Value}).

started({error, {already_started, _}}) -> #{error => <<"already_started">>};
started({error, already_present}) -> #{error => <<"already_present">>};
started({error, {Reason, {child, _, _, _, _, _, _, _, _}}}) -> #{error => <<"start_failed">>, reason => text(Reason)};
started(Other) -> restarted(Other).

restarted({ok, undefined}) -> #{ok => undefined};
restarted({ok, _}) -> #{ok => pid};
restarted({ok, _, Info}) -> #{ok => pid, info => Info};
restarted({error, Reason}) -> #{error => text(Reason)}.

which(Pid) ->
    [row(Child) || Child <- lists:reverse(supervisor:which_children(Pid))].

row({Id, Pid, Type, _}) when is_pid(Pid) -> #{id => Id, state => running, n => number(Pid), type => Type};
row({Id, State, Type, _}) -> #{id => Id, state => State, type => Type}.

counts(Pid) -> maps:from_list(supervisor:count_children(Pid)).

%% JSON -------------------------------------------------------------------------------------------------------------------------

text(Term) -> iolist_to_binary(io_lib:format("~0p", [Term])).

json(Map) when is_map(Map) ->
    ["{", lists:join(",", [[json(Key), ":", json(Value)] || {Key, Value} <- maps:to_list(Map)]), "}"];
json(List) when is_list(List) -> ["[", lists:join(",", [json(Each) || Each <- List]), "]"];
json(Word) when Word =:= true; Word =:= false; Word =:= null -> atom_to_list(Word);
json(Atom) when is_atom(Atom) -> json(atom_to_binary(Atom));
json(Number) when is_integer(Number) -> integer_to_list(Number);
json(Binary) -> ["\"", Binary, "\""].
