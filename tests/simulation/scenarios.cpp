#include "tests/simulation/scenarios.hpp"

#include "tests/simulation/coordinator_backend.hpp"
#include "tests/simulation/server_backend.hpp"
#include "tests/simulation/sqlite_backend.hpp"

#include <ostream>

namespace simulation {

namespace {

using namespace std::chrono_literals;
using namespace weft::literals;
using weft::testing::environment;

// ---------------------------------------------------------------------------------------------------------------------------------
// workflows

struct plan
{
    std::int64_t cents = 0;
    bool         fails = false;  // the last thing it does is to say no
};
BOOST_DESCRIBE_STRUCT(plan, (), (cents, fails))

request of(char const* account, std::int64_t cents) { return request{account, cents}; }

void end(plan const& p)
{
    if (p.fails)
        throw weft::failure("it was planned so");
}

weft::workflow<std::int64_t> sagas(weft::context& wf, bank& b, plan p)
{
    auto const r1 = of("ann", p.cents), r2 = of("bob", p.cents + 1), r3 = of("cid", p.cents + 2);
    auto       sum = co_await wf.saga("saga-1", weft::with(b, &take), weft::with(b, &give_back), r1);
    sum += co_await wf.saga("saga-2", weft::with(b, &take), weft::with(b, &give_back), r2);
    sum += co_await wf.saga("saga-3", weft::with(b, &take), weft::with(b, &give_back), r3);
    end(p);
    co_return sum;
}

weft::workflow<std::int64_t> tccs(weft::context& wf, bank& b, plan p)
{
    auto const r1 = of("ann", p.cents), r2 = of("bob", p.cents + 1);
    auto       sum = co_await wf.tcc("tcc-1", weft::with(b, &reserve), weft::with(b, &confirm), weft::with(b, &release), r1);
    sum += co_await wf.tcc("tcc-2", weft::with(b, &reserve), weft::with(b, &confirm), weft::with(b, &release), r2);
    end(p);
    co_return sum;
}

weft::workflow<std::int64_t> steps(weft::context& wf, bank& b, plan p)
{
    std::int64_t sum = 0;
    for (int i = 0; i < 3; ++i)
    {
        auto const r = of("ann", p.cents + i);
        sum += co_await wf.step("step-" + std::to_string(i), weft::with(b, &take), r);
    }
    end(p);
    co_return sum;
}

// What is done inside the prepared transaction: the vault takes what this returns.
request itself(request const& r) { return r; }

weft::workflow<std::int64_t> xas(weft::context& wf, bank& b, plan p)
{
    vault      v(b);
    auto const r1 = of("ann", p.cents), r2 = of("bob", p.cents + 1);
    auto       sum = co_await wf.xa("xa-1", v, &itself, r1);
    sum += co_await wf.xa("xa-2", v, &itself, r2);
    end(p);
    co_return sum;
}

weft::workflow<std::int64_t> mixed(weft::context& wf, bank& b, plan p)
{
    vault      v(b);
    auto const r1 = of("ann", p.cents), r2 = of("bob", p.cents + 1), r3 = of("cid", p.cents + 2), r4 = of("dan", p.cents + 3);
    auto       sum = co_await wf.saga("saga-1", weft::with(b, &take), weft::with(b, &give_back), r1);
    sum += co_await wf.tcc("tcc-2", weft::with(b, &reserve), weft::with(b, &confirm), weft::with(b, &release), r2);
    sum += co_await wf.xa("xa-3", v, &itself, r3);
    sum += co_await wf.step("step-4", weft::with(b, &take), r4);
    end(p);
    co_return sum;
}

// The second branch says no; the body goes another way.
weft::workflow<std::int64_t> another_way(weft::context& wf, bank& b, plan p)
{
    auto const r1 = of("ann", p.cents), r2 = of("bob", p.cents + 1), r3 = of("cid", p.cents + 2);
    auto       sum = co_await wf.saga("saga-1", weft::with(b, &take), weft::with(b, &give_back), r1);
    auto const tried =
        co_await weft::as_outcome(wf.tcc("tcc-2", weft::with(b, &reserve), weft::with(b, &confirm), weft::with(b, &release), r2));
    if (tried.has_value())
        sum += *tried;
    else
        sum += co_await wf.saga("saga-3", weft::with(b, &take), weft::with(b, &give_back), r3);
    end(p);
    co_return sum;
}

weft::workflow<std::int64_t> impatient(weft::context& wf, bank& b, plan p)
{
    weft::retry_policy const three{.initial = 100ms, .attempts = 3, .then = weft::retry_policy::exhausted::roll_back};
    auto const               r1 = of("ann", p.cents), r2 = of("bob", p.cents + 1);
    auto                     sum = co_await wf.saga("saga-1", weft::with(b, &take), weft::with(b, &give_back), r1);
    sum += co_await wf.saga(weft::named("saga-2").retry(three), weft::with(b, &take), weft::with(b, &give_back), r2);
    co_return sum;
}

weft::workflow<std::int64_t> careful(weft::context& wf, bank& b, plan p)
{
    weft::retry_policy const three{.initial = 100ms, .attempts = 3, .then = weft::retry_policy::exhausted::pause};
    auto const               r1 = of("ann", p.cents), r2 = of("bob", p.cents + 1);
    auto                     sum = co_await wf.saga("saga-1", weft::with(b, &take), weft::with(b, &give_back), r1);
    sum +=
        co_await wf.tcc(weft::named("tcc-2").retry(three), weft::with(b, &reserve), weft::with(b, &confirm), weft::with(b, &release), r2);
    end(p);
    co_return sum;
}

weft::workflow<std::int64_t> timed(weft::context& wf, bank& b, plan p)
{
    auto const r1 = of("ann", p.cents), r2 = of("bob", p.cents + 1), r3 = of("cid", p.cents + 2);
    auto       sum = co_await wf.saga(weft::named("saga-1").timeout(2s), weft::with(b, &take), weft::with(b, &give_back), r1);
    sum += co_await wf.tcc(weft::named("tcc-2").timeout(2s), weft::with(b, &reserve), weft::with(b, &confirm), weft::with(b, &release), r2);
    sum += co_await wf.step(weft::named("step-3").timeout(2s), weft::with(b, &take), r3);
    end(p);
    co_return sum;
}

weft::workflow<std::int64_t> many(weft::context& wf, bank& b, plan p)
{
    std::int64_t sum = 0;
    auto const   r0 = of("zoe", p.cents);
    sum += co_await wf.saga("saga-0", weft::with(b, &take), weft::with(b, &give_back), r0);
    for (int i = 1; i < 12; ++i)
    {
        auto const r = of("ann", p.cents + i);
        sum += co_await wf.step("step-" + std::to_string(i), weft::with(b, &take), r);
    }
    auto const rn = of("bob", p.cents);
    sum += co_await wf.tcc("tcc-12", weft::with(b, &reserve), weft::with(b, &confirm), weft::with(b, &release), rn);
    end(p);
    co_return sum;
}

weft::workflow<std::int64_t> part(weft::context& wf, bank& b, std::string who, std::int64_t cents)
{
    auto const r = of(who.c_str(), cents);
    auto const first = co_await wf.saga("saga-of-" + who, weft::with(b, &take), weft::with(b, &give_back), r);
    co_return first + co_await wf.step("step-of-" + who, weft::with(b, &take), r);
}

weft::workflow<std::int64_t> of_parts(weft::context& wf, bank& b, plan p)
{
    auto sum = co_await part(wf, b, "ann", p.cents);
    sum += co_await part(wf, b, "bob", p.cents + 1);
    end(p);
    co_return sum;
}

weft::workflow<std::int64_t> waits(weft::context& wf, bank& b, plan p)
{
    auto const r1 = of("ann", p.cents), r2 = of("bob", p.cents + 1);
    auto       sum = co_await wf.saga("saga-1", weft::with(b, &take), weft::with(b, &give_back), r1);
    sum += co_await wf.tcc("tcc-2", weft::with(b, &reserve), weft::with(b, &confirm), weft::with(b, &release), r2);
    co_return sum;
}

// ---------------------------------------------------------------------------------------------------------------------------------
// what is done with them

template <class Body>
auto with(
    Body body, std::function<void(environment&)> more = [](environment&) {})
{
    return [body, more](environment& env, bank& b) {
        env.add("it", body, std::ref(b));
        more(env);
    };
}

auto it(environment& env) { return env.workflow<std::int64_t(plan)>("it"); }

auto submit(plan p)
{
    return [p](environment& env, bank&) { it(env).submit("g1"_gid, p); };
}

// Cancels as soon as `reached()`, and notes the answer.
void cancel(environment& env, bank& b, std::function<bool()> reached)
{
    env.run_until([&] { return env.query("g1"_gid).has_value() && reached(); });
    b.notes["cancelled"] = env.cancel("g1"_gid) == weft::cancel_answer::accepted;
}

void resume_until_ended(environment& env)
{
    for (;;)
    {
        env.finish();
        auto const row = env.query("g1"_gid);
        if (is_final(row->status))
            return;
        env.resume("g1"_gid);
    }
}

std::vector<scenario> make()
{
    auto const refused = weft::status::failed;
    plan const commits{100, false}, says_no{100, true};

    std::vector<scenario> all{
        {.name = "saga", .arrange = with(&sagas), .act = submit(commits)},
        {.name = "saga_rolled_back", .arrange = with(&sagas), .act = submit(says_no), .ends_as = refused},
        {.name = "saga_refused",
         .arrange = with(&sagas, [](environment& e) { e.on("saga-3").fails("no"); }),
         .act = submit(commits),
         .ends_as = refused},
        {.name = "tcc", .arrange = with(&tccs), .act = submit(commits)},
        {.name = "tcc_rolled_back", .arrange = with(&tccs), .act = submit(says_no), .ends_as = refused},
        {.name = "step", .arrange = with(&steps), .act = submit(commits)},
        {.name = "step_refused", .arrange = with(&steps), .act = submit(says_no), .ends_as = refused},
        {.name = "xa", .arrange = with(&xas), .act = submit(commits)},
        {.name = "xa_rolled_back", .arrange = with(&xas), .act = submit(says_no), .ends_as = refused},
        {.name = "xa_answer_lost",
         .arrange = with(&xas, [](environment& e) { e.on("xa-2").loses_the_answer().loses_the_answer().runs(); }),
         .act = submit(commits)},
        {.name = "mixed", .arrange = with(&mixed), .act = submit(commits)},
        {.name = "mixed_rolled_back", .arrange = with(&mixed), .act = submit(says_no), .ends_as = refused},
        {.name = "caught_failure",
         .arrange = with(&another_way, [](environment& e) { e.on("tcc-2").fails("no"); }),
         .act = submit(commits)},
        {.name = "caught_failure_rolled_back",
         .arrange = with(&another_way, [](environment& e) { e.on("tcc-2").fails("no"); }),
         .act = submit(says_no),
         .ends_as = refused},
        // It reserved, its answer was lost, and then it says no: nobody knows, so it is released although the workflow commits.
        {.name = "caught_maybe",
         .arrange = with(&another_way, [](environment& e) { e.on("tcc-2").loses_the_answer().fails("no"); }),
         .act = submit(commits)},
        {.name = "caught_maybe_rolled_back",
         .arrange = with(&another_way, [](environment& e) { e.on("tcc-2").loses_the_answer().fails("no"); }),
         .act = submit(says_no),
         .ends_as = refused},
        {.name = "cancelled_before",
         .arrange = with(&mixed, [](environment& e) { e.on("saga-1").is_ongoing(); }),
         .act =
             [=](environment& env, bank& b) {
                 it(env).submit("g1"_gid, commits);
                 cancel(env, b, [] { return true; });
             },
         .ends_as = refused},
        {.name = "cancelled_during",
         .arrange = with(&mixed, [](environment& e) { e.on("xa-3").is_ongoing(); }),
         .act =
             [=](environment& env, bank& b) {
                 it(env).submit("g1"_gid, commits);
                 cancel(env, b, [&] { return env.calls().size() >= 4; });
             },
         .ends_as = refused},
        {.name = "cancelled_while_an_operation_runs",
         .arrange = with(&waits, [](environment& e) { e.on("tcc-2").answers_after(20s); }),
         .act =
             [=](environment& env, bank& b) {
                 it(env).submit("g1"_gid, commits);
                 cancel(env, b, [&] { return env.calls().size() >= 2; });
             },
         .ends_as = refused,
         .either = true},
        {.name = "cancelled_at_the_decision",
         .arrange = with(&waits),
         .act =
             [=](environment& env, bank& b) {
                 it(env).submit("g1"_gid, commits);
                 cancel(env, b, [&] { return env.calls().size() >= 2; });
             },
         .either = true},
        {.name = "retries_exhausted_rolled_back",
         .arrange = with(&impatient, [](environment& e) { e.on("saga-2").throws("down").loses_the_answer().throws("down"); }),
         .act = submit(commits),
         .ends_as = refused},
        {.name = "retries_exhausted_paused_and_resumed",
         .arrange = with(&careful, [](environment& e) { e.on("tcc-2").throws("down").loses_the_answer().throws("down").runs(); }),
         .act =
             [=](environment& env, bank&) {
                 it(env).submit("g1"_gid, commits);
                 resume_until_ended(env);
             }},
        {.name = "refused_undo_resumed",
         .arrange = with(&sagas, [](environment& e) { e.on("saga-2", weft::operation::compensate).fails("not now").runs(); }),
         .act =
             [=](environment& env, bank&) {
                 it(env).submit("g1"_gid, says_no);
                 resume_until_ended(env);
             },
         .ends_as = refused},
        {.name = "refused_confirmation_resumed",
         .arrange = with(&mixed, [](environment& e) { e.on("tcc-2", weft::operation::confirm).fails("not now").runs(); }),
         .act =
             [=](environment& env, bank&) {
                 it(env).submit("g1"_gid, commits);
                 resume_until_ended(env);
             }},
        {.name = "unreliable_participants",
         .arrange = with(&timed,
                         [](environment& e) {
                             e.on("saga-1").never_answers().answers_twice();
                             e.on("tcc-2").answers_after(500ms);
                             e.on("step-3").loses_the_answer().is_ongoing().answers_after(3s).runs();
                             e.on("tcc-2", weft::operation::confirm).throws("down").answers_twice();
                         }),
         .act = submit(commits)},
        {.name = "unreliable_participants_rolled_back",
         .arrange = with(&timed,
                         [](environment& e) {
                             e.on("saga-1").loses_the_answer().answers_twice();
                             e.on("tcc-2").never_answers().answers_after(2500ms).runs();
                             e.on("saga-1", weft::operation::compensate).is_ongoing().answers_twice();
                             e.on("tcc-2", weft::operation::cancel).loses_the_answer().runs();
                         }),
         .act = submit(says_no),
         .ends_as = refused},
        {.name = "long_journal",
         .arrange = with(&many),
         .act = submit(commits),
         .options = [](weft::engine_options& o) { o.seal_at = 300; }},
        {.name = "long_journal_rolled_back",
         .arrange = with(&many),
         .act = submit(says_no),
         .ends_as = refused,
         .options = [](weft::engine_options& o) { o.seal_at = 300; }},
        {.name = "parts", .arrange = with(&of_parts), .act = submit(commits)},
        {.name = "parts_rolled_back", .arrange = with(&of_parts), .act = submit(says_no), .ends_as = refused},
        {.name = "executed",
         .arrange = with(&mixed),
         .act = [=](environment& env, bank&) { it(env).execute("g1"_gid, commits).value(); }},
        {.name = "replayed_after_every_write",
         .arrange = with(&mixed),
         .act = submit(commits),
         .options = [](weft::engine_options& o) { o.replay_always = true; }},
        {.name = "three_at_once",
         .arrange = with(&mixed),
         .act =
             [=](environment& env, bank&) {
                 it(env).submit("g2"_gid, says_no);
                 it(env).submit("g3"_gid, commits);
                 it(env).submit("g1"_gid, commits);
             }},
    };
    return all;
}

}  // namespace

std::vector<scenario> const& scenarios()
{
    static std::vector<scenario> const all = make();
    return all;
}

std::vector<backend> const& backends()
{
    static std::vector<backend> const all{
        {"memory", [](std::shared_ptr<weft::clock> c) { return weft::make_memory_store(std::move(c)); }},
        {"sqlite", &open_sqlite},
    };
    return all;
}

std::vector<backend> const& server_backends()
{
    static std::vector<backend> const all{
        {"postgres", [](std::shared_ptr<weft::clock> c) { return open_on_server("postgres", std::move(c)); }},
        {"mysql", [](std::shared_ptr<weft::clock> c) { return open_on_server("mysql", std::move(c)); }},
    };
    return all;
}

backend const& coordinator_backend()
{
    static backend const one{"coordinator", &open_on_coordinator};
    return one;
}

std::ostream& operator<<(std::ostream& out, scenario const& s) { return out << s.name; }
std::ostream& operator<<(std::ostream& out, backend const& b) { return out << b.name; }

}  // namespace simulation
