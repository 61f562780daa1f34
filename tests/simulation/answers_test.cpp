// What callers are told, whatever goes on meanwhile: several processes on one store, each asked for everything an engine can be asked for,
// while they crash, stop, and lose the store for a while. An oracle keeps what was told. The seed decides everything; seeds.hpp says how
// to choose it.
#include "tests/simulation/bank.hpp"
#include "tests/simulation/play.hpp"
#include "tests/simulation/scenarios.hpp"
#include "tests/simulation/seeds.hpp"
#include "tests/simulation/services.hpp"
#include "tests/support/oracle.hpp"

#include <weft/transaction_manager.hpp>

#include <boost/asio/post.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iostream>
#include <limits>

namespace answers_test {

using namespace simulation;
using namespace std::chrono_literals;
using namespace weft::literals;
using ::testing::IsEmpty;
using weft::testing::environment;

using verb = oracle::verb;

class obliging final : public weft::remote_caller
{
public:
    void start(weft::remote_operation const&, weft::operation_call to) override { std::move(to).answer(weft::outcome::success()); }
};

// A manager for each engine; asked is that of the environment's own process.
struct managed
{
    managed(environment& env, std::shared_ptr<weft::remote_caller> caller) : env_(env)
    {
        env.on_start([this, caller](weft::engine& e) {
            weft::manager_options o;
            o.caller = caller;
            of_[&e] = std::make_unique<weft::transaction_manager>(e, std::move(o));
        });
    }
    weft::transaction_manager* operator->() const { return of_.at(&env_.engine()).get(); }

private:
    environment&                                                        env_;
    std::map<weft::engine*, std::unique_ptr<weft::transaction_manager>> of_;
};

weft::global_transaction one_step_saga()
{
    weft::global_transaction saga;
    saga.gid = "saga";
    saga.trans_type = "saga";
    saga.steps = {{"http://service/action", "http://service/compensate", "{}", {}}};
    return saga;
}

// A submit takes a lease with its write. Whoever submits hears after a while that it is in doubt; when the write then turns out to be done,
// nobody waits for it, and the engine that leased it is alive: if that did not run it, nobody would.
TEST(Told, WhatIsSubmittedInDoubtRunsAllTheSame)
{
    environment                 env;
    managed                     manager(env, std::make_shared<obliging>());
    std::map<std::string, bool> in_doubt;
    auto const                  tells = [&](std::string const& what) {
        return [&, what](std::exception_ptr error, weft::transaction const&) {
            try
            {
                if (error)
                    std::rethrow_exception(error);
            }
            catch (weft::store_error const& e)
            {
                in_doubt[what] = e.in_doubt();
            }
        };
    };
    auto const saga = one_step_saga();
    env.engine();
    env.settle();
    env.break_store(8s, environment::outage::answer_lost);
    manager->submit(saga, tells("saga"));
    env.advance(20s);
    EXPECT_EQ(in_doubt, (std::map<std::string, bool>{{"saga", true}}));
    EXPECT_EQ(env.query("saga"_gid)->status, weft::status::succeed);
}

// The write may have been applied when its answer was lost, and somebody else has cancelled what it made: the gid exists, with another status. Then
// the engine stops, and what is to be written next for the same question is not written; but the question was.
TEST(Told, WhatWasInDoubtOnceIsNotSaidToBeUnwritten)
{
    environment                env({.peers = 1});
    managed                    manager(env, std::make_shared<obliging>());
    std::optional<weft::known> written;
    auto const                 saga = one_step_saga();
    env.engine();
    env.settle();
    env.break_store(4s, environment::outage::answer_lost, 0u);
    manager->submit(saga, [&](std::exception_ptr error, weft::transaction const&) {
        try
        {
            std::rethrow_exception(error);
        }
        catch (weft::unfinished const& e)
        {
            written = e.written();
        }
    });
    env.advance(1s);
    env.peer(1).cancel("saga"_gid, [](std::exception_ptr, weft::cancel_answer) {});
    env.advance(1s);
    env.stop(10s);
    env.advance(10s);
    EXPECT_EQ(env.query("saga"_gid)->status, weft::status::failed);
    EXPECT_EQ(written, weft::known::in_doubt);
}

// Somebody cancels it while the last branch answers: of the two decisions one is written, and whoever waits hears of that.
TEST(Told, ADecisionThatWasNotWrittenIsToldToNobody)
{
    class cancelling final : public weft::remote_caller
    {
    public:
        cancelling(environment& env, int later) : env_(env), later_(later) { }
        void start(weft::remote_operation const&, weft::operation_call to) override
        {
            if (!std::exchange(cancelled_, true))
                env_.engine().cancel("saga"_gid, [](std::exception_ptr, weft::cancel_answer) {});
            answer(later_, std::make_shared<weft::operation_call>(std::move(to)));
        }

    private:
        void answer(int later, std::shared_ptr<weft::operation_call> to)
        {
            if (later == 0)
                return std::move(*to).answer(weft::outcome::success());
            boost::asio::post(env_.get_executor(), [this, later, to] { answer(later - 1, to); });
        }
        environment& env_;
        int          later_;
        bool         cancelled_ = false;
    };

    std::map<weft::status, int> ends;
    for (int later = 0; later < 20; ++later)
    {
        environment env;
        managed     manager(env, std::make_shared<cancelling>(env, later));
        auto const  saga = one_step_saga();
        env.engine();
        env.settle();
        std::optional<weft::status> told;
        manager->submit(saga, weft::returns::when_tried, [&](std::exception_ptr, weft::transaction const& row) { told = row.status; });
        env.settle();
        auto const row = env.query("saga"_gid);
        ASSERT_TRUE(told);
        if (is_final(*told))
        {
            EXPECT_EQ(*told, row->status) << later;
        }
        env.finish();
        ++ends[env.query("saga"_gid)->status];
    }
    EXPECT_EQ(ends.size(), 2u) << "it is tried on both sides of the end";
}

// Asks, and passes on what it hears.
class callers
{
public:
    callers(environment& env, oracle& told, services& at, unsigned peers) : env_(env), told_(told), peers_(peers)
    {
        env.on_start([this, &at](weft::engine& e) {
            weft::manager_options o;
            o.caller = std::shared_ptr<weft::remote_caller>(std::shared_ptr<void>(), &at);
            lives_[&e] = ++life_;
            managers_[&e] = all_managers_.emplace_back(std::make_unique<weft::transaction_manager>(e, std::move(o))).get();
        });
    }

    void execute(unsigned process, std::string const& gid, program const& p, weft::execute_options how)
    {
        bool const decided = how.what() == weft::wait::decided;
        auto const q = asks(process, decided ? verb::execute_until_decided : verb::execute, gid, weft::detail::encode(p));
        weft::handle<std::int64_t(program)>(of(process), "play")
            .execute(weft::gid(gid), p, how,
                     [&told = told_, q](std::exception_ptr error, std::int64_t result) { told.told(q, error, std::to_string(result)); });
    }
    void submit(unsigned process, std::string const& gid, program const& p)
    {
        auto const q = asks(process, verb::submit, gid, weft::detail::encode(p));
        weft::handle<std::int64_t(program)>(of(process), "play").submit(weft::gid(gid), p, [&told = told_, q](std::exception_ptr error) {
            told.told(q, error);
        });
    }
    void cancel(unsigned process, std::string const& gid)
    {
        auto const q = asks(process, verb::cancel, gid);
        of(process).cancel(weft::gid(gid), [&told = told_, q](std::exception_ptr error, weft::cancel_answer a) { told.told(q, error, a); });
    }
    void resume(unsigned process, std::string const& gid)
    {
        auto const q = asks(process, verb::resume, gid);
        of(process).resume(weft::gid(gid), [&told = told_, q](std::exception_ptr error) { told.told(q, error); });
    }
    void query(unsigned process, std::string const& gid)
    {
        auto const q = asks(process, verb::query, gid);
        of(process).query(weft::gid(gid), [&told = told_, q](std::exception_ptr error, std::optional<weft::transaction> const& row) {
            told.told(q, error, row);
        });
    }
    void list(unsigned process)
    {
        weft::list_filter everything;
        everything.limit = 1'000;
        auto const q = asks(process, verb::list, {}, "all");
        of(process).list(everything, [&told = told_, q](std::exception_ptr error, std::vector<weft::transaction> const& rows) {
            told.told(q, error, rows);
        });
    }

    // Its answer; of these verbs a transaction.
    auto tells(std::size_t q)
    {
        return [&told = told_, q](std::exception_ptr error, weft::transaction const& row) { told.told(q, error, std::optional(row)); };
    }

    // --- of transactions that are data

    void prepare(unsigned process, weft::global_transaction t)
    {
        auto const q = asks(process, verb::prepare, t.gid, mark(t));
        managers_[&of(process)]->prepare(t, tells(q));
    }
    static weft::returns when(bool tried) { return tried ? weft::returns::when_tried : weft::returns::when_durable; }
    void                 submit(unsigned process, weft::global_transaction t, bool wait)
    {
        auto const q = asks(process, verb::submit_pattern, t.gid, mark(t));
        managers_[&of(process)]->submit(t, when(wait), tells(q));
    }
    void abort(unsigned process, weft::global_transaction const& t, bool wait)
    {
        auto const reason = "aborted, " + std::to_string(++marks_);
        auto const q = asks(process, verb::abort, t.gid, reason);
        managers_[&of(process)]->abort(weft::gid(t.gid), t.trans_type, reason, when(wait), tells(q));
    }
    void add_branch(unsigned process, weft::global_transaction const& t)
    {
        std::vector<weft::branch_op> ops(2);
        auto const                   id = std::to_string(10 + ++marks_);
        ops[0].op = "cancel";
        ops[1].op = "confirm";
        for (auto& op : ops)
        {
            op.branch_id = id;
            op.url = "http://service";
        }
        auto const q = asks(process, verb::register_branch, t.gid, id);
        managers_[&of(process)]->register_branch(weft::gid(t.gid), t.trans_type, ops,
                                                 [&told = told_, q](std::exception_ptr error, std::monostate) { told.told(q, error); });
    }

    // Who is dead will not answer.
    void bury()
    {
        for (auto const q : told_.unanswered())
            if (!is_alive(asked_[q]))
                told_.died(q);
    }
    std::vector<std::string> unanswered_by(unsigned process)
    {
        std::vector<std::string> questions;
        auto const               life = lives_[&of(process)];
        for (auto const q : told_.unanswered())
            if (asked_[q] == life)
                questions.push_back(told_.describe(q));
        return questions;
    }

private:
    weft::engine& of(unsigned process) { return process == 0 ? env_.engine() : env_.peer(process); }
    bool          is_alive(std::uint64_t life)
    {
        for (unsigned i = 0; i <= peers_; ++i)
            if (lives_[&of(i)] == life)
                return true;
        return false;
    }
    std::size_t asks(unsigned process, verb v, std::string const& gid, std::string what = {})
    {
        auto const q = told_.asks(v, gid, std::move(what));
        asked_[q] = lives_[&of(process)];
        return q;
    }

    // What this one question leaves behind, if it does.
    std::string const& mark(weft::global_transaction& t) { return t.custom_data = "{\"mark\":" + std::to_string(++marks_) + '}'; }

    environment&                           env_;
    oracle&                                told_;
    unsigned                               peers_;
    std::map<weft::engine*, std::uint64_t> lives_;
    std::uint64_t                          life_ = 0;
    std::map<std::size_t, std::uint64_t>   asked_;  // question → whose life it was
    int                                    marks_ = 0;

    std::map<weft::engine*, weft::transaction_manager*>     managers_;
    std::vector<std::unique_ptr<weft::transaction_manager>> all_managers_;
};

weft::global_transaction pattern(dice& d, std::string gid)
{
    constexpr char const*    types[] = {"saga", "tcc", "msg"};
    weft::global_transaction t;
    t.gid = std::move(gid);
    t.trans_type = types[d.below(3)];
    t.query_prepared = "http://sender";
    if (t.trans_type != "tcc")
        for (auto n = 1 + d.below(3); n > 0; --n)
            t.steps.push_back({"http://service/action", "http://service/compensate", "{}", {}});
    return t;
}

struct tally
{
    std::uint64_t                        transactions = 0, outages = 0, stops = 0, crashes = 0;
    std::map<std::string, std::uint64_t> answers;
};

void simulate(std::uint64_t seed, backend const& on, tally& sums)
{
    dice d(seed);
    auto options = random_options(d, seed);
    options.open_store = on.open;
    bank        b;
    environment env(options);
    oracle      told(&env.store());
    services    at(seed);
    callers     ask(env, told, at, options.peers);
    b.watch(env.store());
    env.add("play", &play, std::ref(b));
    make_unreliable(env, d);
    env.engine();
    env.settle();

    std::vector<std::pair<std::string, program>> known;
    auto const                                   new_gid = [&] {
        known.emplace_back("g" + std::to_string(known.size() + 1), random_program(d));
        return known.back();
    };
    std::vector<weft::global_transaction> patterns;
    auto const                            old_pattern = [&] {
        if (patterns.empty() || d.chance(30))
            patterns.push_back(pattern(d, "p" + std::to_string(patterns.size() + 1)));
        return patterns[d.below(patterns.size())];
    };
    auto const some_gid = [&](std::string const& of_a_workflow) {
        return d.chance(10) ? "nobody" : !patterns.empty() && d.chance(30) ? patterns[d.below(patterns.size())].gid : of_a_workflow;
    };
    auto const old_gid = [&] { return known.empty() ? std::pair<std::string, program>("nobody", {}) : known[d.below(known.size())]; };
    auto const patience = [&] {
        auto const how = weft::until(d.chance(30) ? weft::wait::decided : weft::wait::finished);
        return d.chance(40) ? how.within(std::chrono::milliseconds(d.below(8'000))) : how;
    };
    for (auto n = 3 + d.below(14); n > 0; --n)
    {
        auto const process = static_cast<unsigned>(d.below(1 + options.peers));
        switch (d.below(27))
        {
        case 0:
        case 1:
        case 2:
        {
            auto const [gid, p] = new_gid();
            ask.submit(process, gid, p);
            break;
        }
        case 3:
        case 4:
        case 5:
        {
            auto const [gid, p] = new_gid();
            ask.execute(process, gid, p, patience());
            break;
        }
        case 6:
        case 7:
        {
            auto const [gid, p] = old_gid();
            ask.execute(process, gid, p, patience());
            break;
        }
        case 8:
        {
            auto const [gid, p] = old_gid();
            ask.submit(process, gid, d.chance(50) ? p : random_program(d));
            break;
        }
        case 9:
        case 10:
            ask.cancel(process, some_gid(old_gid().first));
            break;
        case 11:
            ask.resume(process, some_gid(old_gid().first));
            break;
        case 12:
            ask.query(process, some_gid(old_gid().first));
            break;
        case 13:
            ask.list(process);
            break;
        case 14:
        case 15:
        {
            auto const how = static_cast<environment::outage>(d.below(4));
            auto const only_for = d.chance(40) ? std::optional(process) : std::nullopt;
            env.break_store(std::chrono::milliseconds(d.below(20'000)), how, only_for);
            ++sums.outages;
            break;
        }
        case 16:
        {
            auto const mode = static_cast<environment::crash_mode>(1 + d.below(4));
            env.plant_crash(1 + d.below(10), mode);
            break;
        }
        case 17:
            if (process == 0)
                env.crash();
            else
                env.crash_peer(process);
            break;
        case 18:
        case 19:
        {
            auto const deadline = std::chrono::milliseconds(d.below(3'000));
            ++sums.stops;
            if (process > 0)
            {
                env.stop_peer(process, deadline);
                break;
            }
            env.stop(deadline);
            env.settle();
            EXPECT_THAT(ask.unanswered_by(0), IsEmpty()) << "the engine has stopped";
            env.crash();
            break;
        }
        case 20:
        case 21:
            if (auto const t = old_pattern(); t.trans_type != "saga")
                ask.prepare(process, t);
            else
                ask.submit(process, t, d.chance(30));
            break;
        case 22:
        case 23:
            if (auto const t = old_pattern(); t.trans_type == "tcc")
                ask.add_branch(process, t);
            else
                ask.query(process, t.gid);
            break;
        case 24:
        case 25:
        {
            auto const t = old_pattern();
            ask.submit(process, t, d.chance(30));
            break;
        }
        case 26:
        {
            auto const t = old_pattern();
            ask.abort(process, t, d.chance(30));
            break;
        }
        }
        if (d.chance(60))
            env.advance(std::chrono::milliseconds(d.below(4'000)));
    }

    env.advance(30s);  // longer than an outage
    for (int rounds = 0;; ++rounds)
    {
        env.finish();
        try
        {
            env.run_until([&] {
                ask.bury();
                return told.unanswered().empty();
            });
        }
        catch (std::exception const& e)
        {
            ADD_FAILURE() << e.what() << "; " << told.describe(told.unanswered().front());
            return;
        }
        auto const left = env.list({.unfinished = true});
        if (left.empty())
            break;
        ASSERT_LT(rounds, 50) << left[0].gid << " is paused again and again: " << left[0].paused_reason;
        for (auto const& row : left)
            if (!row.paused_reason.empty())
                env.resume(weft::gid(row.gid));
    }

    EXPECT_THAT(told.audit(env.store()), IsEmpty());
    EXPECT_THAT(b.audit(env), IsEmpty());
    std::vector<weft::transaction> of_patterns;
    for (auto const& t : patterns)
        if (auto row = env.query(weft::gid(t.gid)))
            of_patterns.push_back(std::move(*row));
    EXPECT_THAT(at.audit(of_patterns), IsEmpty());
    sums.transactions += env.list({.limit = 1'000}).size();
    sums.crashes += env.crashes();
    for (auto const& [answer, n] : told.answers())
        sums.answers[answer] += n;
}

class ToldAtRandom : public ::testing::TestWithParam<backend>
{ };

TEST_P(ToldAtRandom, AnswersAreTrueWhateverGoesOnMeanwhile)
{
    tally      t;
    auto const run = run_seeds(GetParam().name == "memory" ? 60 : 5, [&](std::uint64_t seed) { simulate(seed, GetParam(), t); });
    std::cout << GetParam().name << ": " << run.count << " seeds (" << run.first << " to " << run.last << "), " << t.transactions
              << " transactions, " << t.outages << " outages, " << t.stops << " stops, " << t.crashes << " crashes at a write\n";
    for (auto const& [answer, n] : t.answers)
        std::cout << "  " << answer << ": " << n << '\n';
    if (run.failed > 0 || run.count < 300)  // too few for all of them
        return;
    for (auto const* answer : {"execute: done",
                               "execute: failure",
                               "execute until decided: done",
                               "execute until decided: failure",
                               "submit: done",
                               "submit: misuse",
                               "cancel: accepted",
                               "cancel: too late",
                               "cancel: misuse",
                               "resume: done",
                               "query: done",
                               "query: no such transaction",
                               "list: done",
                               "prepare: done",
                               "submit of a pattern: done",
                               "submit of a pattern: misuse",
                               "register: done",
                               "register: misuse",
                               "abort: done",
                               "abort: misuse"})
        EXPECT_GT(t.answers[answer], 0u) << "nobody was told: " << answer;
}

INSTANTIATE_TEST_SUITE_P(On, ToldAtRandom, ::testing::ValuesIn(backends()), [](auto const& on) { return on.param.name; });

}  // namespace answers_test
