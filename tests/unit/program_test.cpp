// The pure program: events in, plans out, without an engine, a store or a clock. Two and three branches are under way at once here, which no
// verb offers yet: their answers come in every order, between and beside the writes, and every journal that they leave is replayed.
#include "workflow/program/workflow_program.hpp"

#include <weft/workflow.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>

namespace program_test {

struct join;

// One of several coroutines within a body. Its end resumes nobody: the join does, once all of them have ended.
struct arm
{
    struct promise_type
    {
        arm                 get_return_object() { return arm{std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_always initial_suspend() noexcept { return {}; }
        auto                final_suspend() noexcept;
        void                return_void() { }
        void                unhandled_exception() { throw; }
        join*               of = nullptr;
    };
    explicit arm(std::coroutine_handle<promise_type> h) : handle(h) { }
    arm(arm&& o) noexcept : handle(std::exchange(o.handle, nullptr)) { }
    ~arm()
    {
        if (handle)
            handle.destroy();
    }
    std::coroutine_handle<promise_type> handle;
};

struct join
{
    explicit join(std::vector<arm> a) : arms(std::move(a)), left(arms.size()) { }
    bool await_ready()
    {
        for (auto& a : arms)
        {
            a.handle.promise().of = this;
            a.handle.resume();
        }
        return left == 0;
    }
    void await_suspend(std::coroutine_handle<> h) { parent = h; }
    void await_resume() { }

    std::vector<arm>        arms;
    std::size_t             left;
    std::coroutine_handle<> parent;
};

auto arm::promise_type::final_suspend() noexcept
{
    struct ended
    {
        bool await_ready() noexcept { return false; }
        void await_suspend(std::coroutine_handle<promise_type> self) noexcept
        {
            auto* const of = self.promise().of;
            if (--of->left == 0 && of->parent)
                of->parent.resume();
        }
        void await_resume() noexcept { }
    };
    return ended{};
}

}  // namespace program_test

template <>
inline constexpr bool weft::detail::is_weft_awaitable<program_test::join> = true;

namespace program_test {

using weft::context;
using weft::extend_write;
using weft::outcome;
using weft::workflow;
namespace detail = weft::detail;
using detail::event;
using detail::plan;
using detail::slot;
using kind = event::kind;

int  ask(int n) { return n; }
void forget(int) { }

arm asks(context& wf, std::string& order, int n)
{
    // A saga has an intent, a step has none. Each asks twice.
    if (n == 0)
        co_await wf.saga("a" + std::to_string(n), &ask, &forget, n);
    else
        co_await wf.step("a" + std::to_string(n), &ask, n);
    order += static_cast<char>('a' + n);
    co_await wf.step("b" + std::to_string(n), &ask, n);
    order += static_cast<char>('A' + n);
}

workflow<std::string> side_by_side(context& wf, int const& many)
{
    std::string      order;
    std::vector<arm> arms;
    for (int n = 0; n < many; ++n)
        arms.push_back(asks(wf, order, n));
    co_await join(std::move(arms));
    co_await wf.step("last", &ask, many);
    co_return order;
}

arm undoable(context& wf, bool& failed, int n)
{
    auto const said = co_await weft::as_outcome(wf.saga("a" + std::to_string(n), &ask, &forget, n));
    failed = failed || said.has_error();
}

workflow<std::string> all_or_nothing(context& wf, int const& many)
{
    bool             failed = false;
    std::vector<arm> arms;
    for (int n = 0; n < many; ++n)
        arms.push_back(undoable(wf, failed, n));
    co_await join(std::move(arms));
    if (failed)
        throw weft::failure("no");
    co_return "done";
}

using body = workflow<std::string> (*)(context&, int const&);

// An attempt that does nothing by itself: the test says what happens next.
class scripted final : private detail::program_host
{
public:
    using decision = extend_write::decision;

    // `unhappy`: operations may fail, too, and somebody may ask to cancel, once.
    scripted(body b, int many, std::string journal = {}, bool unhappy = false)
        : made_(detail::make_program(b, std::move(many)))
        , program_(*this, limits_, gid_)
        , unhappy_(unhappy)
        , may_cancel_(unhappy)
        , journal_(std::move(journal))
    {
        weft::transaction row;
        row.journal = journal_.empty() ? std::string(weft::empty_journal) : R"({"journal":[)" + journal_ + "]}";
        auto recorded = weft::read_journal(row);
        durable_ = recorded.entries;
        program_.begin(row, std::move(recorded));
        program_.prepare(*made_, {});
        program_.side_by_side(true);
        tell({});
    }

    // What may happen now.
    std::vector<std::function<void()>> possible()
    {
        std::vector<std::function<void()>> all;
        if (writing_)
            all.emplace_back([this] { written(); });
        for (auto const s : under_way_)
        {
            all.emplace_back([this, s] { answer(s, true); });
            if (unhappy_ && !decided())
                all.emplace_back([this, s] { answer(s, false); });
        }
        if (may_cancel_ && !decided())
            all.emplace_back([this] {
                may_cancel_ = false;
                tell({.what = kind::cancel});
            });
        return all;
    }

    bool               decided() const { return decision_ != decision::none; }
    bool               ended() const { return ended_; }
    decision           how() const { return decision_; }
    std::string const& result() const { return result_; }
    std::string const& journal() const { return journal_; }
    std::size_t        under_way() const { return under_way_.size(); }

private:
    std::optional<bool> done_by_store(slot, detail::branch_call const&, weft::operation) override { return false; }
    double              jitter() override { return 0; }

    void tell(event e)
    {
        plan p;
        e.now = ++now_;
        program_.on(std::move(e), p);
        EXPECT_FALSE(p.park) << p.park->paused_reason;
        for (auto const& s : p.send)
        {
            auto const& b = program_.at(s.of);
            // I1: what a send rests on is durable. An intent is in the journal before its operation is sent.
            EXPECT_LE(b.rests_on, durable_);
            if (b.call->has_undo())
            {
                EXPECT_THAT(journal_, ::testing::HasSubstr("\"id\":\"" + b.id + "\",\"verb\":\"saga\""));
            }
            // I3: nothing of phase 2 before the decision.
            EXPECT_EQ(is_undo(b.op), decided()) << b.id;
            EXPECT_TRUE(under_way_.insert(s.of).second);
        }
        if (!p.write)
            return;
        EXPECT_FALSE(writing_) << "one write at a time";
        writing_ = program_.record();
    }

    void written()
    {
        auto w = *std::exchange(writing_, std::nullopt);
        if (!journal_.empty() && !w.entries.empty() && w.entries.front() != ',')
            journal_ += ',';
        journal_ += w.entries;
        durable_ += w.entry_count;
        if (w.decide != decision::none)
        {
            EXPECT_EQ(decision_, decision::none) << "decided twice";
            EXPECT_TRUE(under_way_.empty()) << "decided while something was under way";
            decision_ = w.decide;
            result_ = w.text;
        }
        ended_ = w.finish;
        tell({.what = kind::durable, .write = &w});
    }

    void answer(slot s, bool well)
    {
        under_way_.erase(s);
        auto const& b = program_.at(s);
        auto        said = !well                                          ? outcome::failure("no")
                           : is_undo(b.op) || b.call->name.front() == 'l' ? outcome::success(is_undo(b.op) ? "" : "0")
                                                                          : outcome::success(b.call->name.substr(1));
        tell({.what = kind::answered, .of = s, .said = std::move(said)});
    }

    detail::program_limits           limits_{.payload = 1000, .seal_at = 1'000'000, .retry = {}};
    std::string                      gid_ = "g1";
    std::unique_ptr<detail::program> made_;
    detail::workflow_program         program_;
    bool                             unhappy_, may_cancel_;
    std::int64_t                     now_ = 0;
    std::set<slot>                   under_way_;
    std::optional<extend_write>      writing_;
    std::uint64_t                    durable_ = 0;
    decision                         decision_ = decision::none;
    bool                             ended_ = false;
    std::string                      journal_, result_;
};

// A run in which each step is a choice among what may happen then; past those that are given, always the first.
struct path
{
    std::vector<std::size_t> choices, of;  // chosen, and of how many

    template <class Until>
    void run(scripted& s, Until until, std::function<void(scripted&)> const& after_each)
    {
        for (std::size_t i = 0; !until(s); ++i)
        {
            auto const may = s.possible();
            ASSERT_FALSE(may.empty()) << "nothing goes on: " << s.journal();
            if (i == choices.size())
            {
                choices.push_back(0);
                of.push_back(0);
            }
            of[i] = may.size();
            may[choices[i]]();
            after_each(s);
        }
    }

    // The next one; false: all have been run.
    bool next()
    {
        while (!choices.empty() && choices.back() + 1 == of.back())
        {
            choices.pop_back();
            of.pop_back();
        }
        if (choices.empty())
            return false;
        ++choices.back();
        return true;
    }
};

std::string outcomes_in(std::string const& journal)
{
    std::string                ids;
    constexpr std::string_view done = "\"status\":\"succeed\"";
    for (auto at = journal.find(done); at != std::string::npos; at = journal.find(done, at + 1))
        ids += journal.substr(journal.rfind("\"id\":\"", at) + 6, 2) + ' ';
    return ids;
}

class SideBySide : public ::testing::TestWithParam<int>
{ };

INSTANTIATE_TEST_SUITE_P(, SideBySide, ::testing::Values(2, 3), ::testing::PrintToStringParamName());

// In every order of answers and writes. What the body has seen once is what every replay of what is durable shows it.
TEST_P(SideBySide, BranchesAreReplayedInTheOrderOfTheJournal)
{
    int const             many = GetParam();
    std::set<std::string> orders;
    std::size_t           runs = 0, most = 0;
    path                  p;
    auto const            to_the_decision = [](scripted& s) { return s.decided(); };
    auto const            go_on = [&](scripted& s, bool last) {
        while (!s.decided())
        {
            auto const may = s.possible();
            ASSERT_FALSE(may.empty()) << s.journal();
            (last ? may.back() : may.front())();
        }
    };
    do
    {
        std::set<std::string> journals;
        scripted              s(&side_by_side, many);
        p.run(s, to_the_decision, [&](scripted& now) {
            most = std::max(most, now.under_way());
            journals.insert(now.journal());
        });
        ASSERT_EQ(s.result().size(), 2u * static_cast<std::size_t>(many) + 2);
        orders.insert(s.result());
        // A crash after any write: the rest is done anew, and what was durable comes first.
        for (auto const& journal : journals)
        {
            scripted again(&side_by_side, many, journal);
            go_on(again, true);
            EXPECT_THAT(outcomes_in(again.journal()), ::testing::StartsWith(outcomes_in(journal)));
            if (journal == s.journal())
            {
                EXPECT_EQ(again.result(), s.result());
            }
            // And of what that left, the same again.
            scripted third(&side_by_side, many, again.journal());
            go_on(third, false);
            EXPECT_EQ(third.result(), again.result());
        }
        ++runs;
    } while (!HasFailure() && p.next());
    EXPECT_EQ(most, static_cast<std::size_t>(many));
    // The arms' letters, "aA", "bB" and "cC", in each order in which those of an arm keep theirs.
    EXPECT_EQ(orders.size(), many == 2 ? 6u : 90u);
    std::cout << many << " branches side by side: " << runs << " orders of answers and writes\n";
}

// Where some fail, and somebody asks to cancel at any moment: what may have happened is undone, once, and nothing else is.
TEST_P(SideBySide, BranchesAreUndoneIfTheyMayHaveHappened)
{
    int const   many = GetParam();
    std::size_t runs = 0, rolled_back = 0;
    path        p;
    do
    {
        scripted s(&all_or_nothing, many, {}, true);
        p.run(
            s, [](scripted& now) { return now.ended(); }, [](scripted&) {});
        bool const back = s.how() == extend_write::decision::roll_back;
        for (int n = 1; n <= many; ++n)
        {
            auto const id = "{\"id\":\"0" + std::to_string(n) + "\",";
            auto const count = [&](std::string const& what) {
                std::size_t times = 0;
                for (auto at = s.journal().find(id); at != std::string::npos; at = s.journal().find(id, at + 1))
                    times += s.journal().substr(at, s.journal().find('}', at) - at).find(what) != std::string::npos;
                return times;
            };
            auto const intents = count("\"status\":\"prepared\""), failures = count("\"status\":\"failed\"");
            EXPECT_LE(intents, 1u);
            EXPECT_EQ(count("\"op\":\"compensate\""), back ? intents - failures : 0) << s.journal();
        }
        rolled_back += back;
        ++runs;
    } while (!HasFailure() && p.next());
    EXPECT_GT(rolled_back, 0u);
    EXPECT_GT(runs, rolled_back);
    std::cout << many << " undoable branches side by side: " << runs << " runs, " << rolled_back << " rolled back\n";
}

}  // namespace program_test
