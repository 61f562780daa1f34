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

// An attempt that does nothing by itself: the test says what happens next.
class scripted final : private detail::program_host
{
public:
    explicit scripted(int many, std::string const& journal = {})
        : made_(detail::make_program(&side_by_side, std::move(many)))
        , program_(*this, limits_, gid_)
    {
        weft::transaction row;
        row.journal = journal.empty() ? std::string(weft::empty_journal) : R"({"journal":[)" + journal + "]}";
        auto recorded = weft::read_journal(row);
        durable_ = recorded.entries;
        program_.begin(row, std::move(recorded));
        program_.prepare(*made_, {});
        program_.side_by_side(true);
        journal_ = journal;
        tell({});
    }

    // What may happen now.
    std::vector<std::function<void()>> possible()
    {
        std::vector<std::function<void()>> all;
        if (writing_)
            all.emplace_back([this] { written(); });
        for (auto const s : under_way_)
            all.emplace_back([this, s] { answer(s); });
        return all;
    }

    bool               decided() const { return !result_.empty(); }
    std::string const& result() const { return result_; }
    std::string const& journal() const { return journal_; }
    std::size_t        under_way() const { return under_way_.size(); }
    std::string const& sent() const { return sent_; }

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
            under_way_.insert(s.of);
            sent_ += b.id + ' ';
        }
        if (!p.write)
            return;
        EXPECT_FALSE(writing_) << "one write at a time";
        writing_ = program_.record();
    }

    void written()
    {
        auto const w = *std::exchange(writing_, std::nullopt);
        if (!journal_.empty() && !w.entries.empty() && w.entries.front() != ',')
            journal_ += ',';
        journal_ += w.entries;
        durable_ += w.entry_count;
        program_.written(w);
        if (w.decide != extend_write::decision::none)
            result_ = w.text;
        else
            tell({.what = kind::durable});
    }

    void answer(slot s)
    {
        under_way_.erase(s);
        auto const& name = program_.at(s).call->name;
        tell({.what = kind::answered, .of = s, .said = outcome::success(name == "last" ? "0" : name.substr(1))});
    }

    detail::program_limits           limits_{.payload = 1000, .seal_at = 1'000'000, .retry = {}};
    std::string                      gid_ = "g1";
    std::unique_ptr<detail::program> made_;
    detail::workflow_program         program_;
    std::int64_t                     now_ = 0;
    std::set<slot>                   under_way_;
    std::optional<extend_write>      writing_;
    std::uint64_t                    durable_ = 0;
    std::string                      journal_, result_, sent_;
};

// Runs what the numbers say, each the choice among what may happen then, and after those always the first.
struct path
{
    std::vector<std::size_t> choices, of;  // chosen, and of how many
};
std::unique_ptr<scripted> run(
    int many, path& p, std::function<void(scripted&)> const& at_each = [](scripted&) {})
{
    auto s = std::make_unique<scripted>(many);
    for (std::size_t i = 0; !s->decided(); ++i)
    {
        auto const may = s->possible();
        if (may.empty())
        {
            ADD_FAILURE() << "nothing goes on: " << s->journal();
            break;
        }
        if (i == p.choices.size())
        {
            p.choices.push_back(0);
            p.of.push_back(0);
        }
        p.of[i] = may.size();
        may[p.choices[i]]();
        at_each(*s);
    }
    return s;
}
bool next(path& p)
{
    while (!p.choices.empty() && p.choices.back() + 1 == p.of.back())
    {
        p.choices.pop_back();
        p.of.pop_back();
    }
    if (p.choices.empty())
        return false;
    ++p.choices.back();
    return true;
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
    do
    {
        std::set<std::string> journals;
        auto const            s = run(many, p, [&](scripted& now) {
            most = std::max(most, now.under_way());
            journals.insert(now.journal());
        });
        ASSERT_EQ(s->result().size(), 2u * static_cast<std::size_t>(many) + 2);
        orders.insert(s->result());
        // A crash after any write: the rest is done anew, and what was durable comes first.
        auto const whole = s->result();
        for (auto const& journal : journals)
        {
            scripted again(many, journal);
            while (!again.decided())
            {
                auto const may = again.possible();
                ASSERT_FALSE(may.empty()) << journal;
                may.back()();
            }
            auto const outcomes = [](std::string const& text) {
                std::string ids;
                for (auto at = text.find("\"status\":\"succeed\""); at != std::string::npos;
                     at = text.find("\"status\":\"succeed\"", at + 1))
                    ids += text.substr(text.rfind("\"id\":\"", at) + 6, 2) + ' ';
                return ids;
            };
            EXPECT_THAT(outcomes(again.journal()), ::testing::StartsWith(outcomes(journal)));
            if (journal == s->journal())
            {
                EXPECT_EQ(again.result(), whole);
            }
            // And of what that left the same again.
            scripted third(many, again.journal());
            while (!third.decided())
            {
                auto const may = third.possible();
                ASSERT_FALSE(may.empty()) << again.journal();
                may.front()();
            }
            EXPECT_EQ(third.result(), again.result());
        }
        ++runs;
    } while (!HasFailure() && next(p));
    EXPECT_EQ(most, static_cast<std::size_t>(many));
    // Arms end in any order: each of the interleavings of "aA", "bB", "cC".
    EXPECT_EQ(orders.size(), many == 2 ? 6u : 90u);
    RecordProperty("runs", static_cast<int>(runs));
    std::cout << many << " branches side by side: " << runs << " orders of answers and writes\n";
}

}  // namespace program_test
