// The engine on a coordinator elsewhere: started, called back, left alone by it, cut off from it.
#include "src/remote/log.hpp"
#include "tests/support/coordinator.hpp"
#include "tests/support/cutting_proxy.hpp"
#include "tests/support/http_server.hpp"
#include "tests/support/overwriting_coordinator.hpp"
#include "tests/support/temporary_directory.hpp"

#include <weft/http.hpp>
#include <weft/open_store.hpp>
#include <weft/remote_engine.hpp>
#include <weft/weft.hpp>

#include <boost/asio/steady_timer.hpp>
#include <boost/describe/class.hpp>
#include <boost/json/object.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <map>

namespace remote_engine_test {

using namespace std::chrono_literals;
using namespace weft::literals;
namespace asio = boost::asio;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Lt;

struct order
{
    std::string id;
    int         cents = 0;
};
BOOST_DESCRIBE_STRUCT(order, (), (id, cents))

// What is really done, by whomever, and how often.
class shop
{
public:
    void did(weft::branch const& where)
    {
        std::lock_guard lock(mutex_);
        ++done_[where.gid + ' ' + where.id + '/' + std::string(to_string(where.op))];
    }
    std::map<std::string, int> done() const
    {
        std::lock_guard lock(mutex_);
        return done_;
    }
    int done(std::string const& what) const
    {
        std::lock_guard lock(mutex_);
        auto const      found = done_.find(what);
        return found == done_.end() ? 0 : found->second;
    }

    std::atomic<int>  slow_ms{0};
    std::atomic<bool> hangs{false}, refuses{false}, undecided{false};

private:
    mutable std::mutex         mutex_;
    std::map<std::string, int> done_;
};

asio::awaitable<int> charge(weft::branch const& where, shop& s, order const& o)
{
    auto const at = where;
    int const  cents = o.cents;
    s.did(at);
    auto const         executor = co_await asio::this_coro::executor;
    asio::steady_timer timer(executor);
    timer.expires_after(std::chrono::milliseconds(s.hangs ? 3'600'000 : s.slow_ms.load()));
    co_await timer.async_wait(asio::use_awaitable);
    if (s.refuses)
        throw weft::failure("no money");
    if (s.undecided)
        throw std::runtime_error("nobody is there");
    co_return cents;
}
void create(weft::branch const& where, shop& s, order const&) { s.did(where); }
void undo(weft::branch const& where, shop& s, order const&) { s.did(where); }

weft::workflow<int> place(weft::context& wf, shop& s, order o)
{
    co_await wf.saga("create", weft::with(s, &create), weft::with(s, &undo), o);
    auto const cents = co_await wf.saga("charge", weft::with(s, &charge), weft::with(s, &undo), o);
    co_return cents;
}

std::string doubled(std::string const& text) { return text + text; }

weft::workflow<std::string> echo(weft::context& wf, std::string text)
{
    auto more = co_await wf.step("double", &doubled, text);
    co_return more;
}

void no(std::string const& reason) { throw weft::failure(reason); }

weft::workflow<void> refuse(weft::context& wf, std::string reason) { co_await wf.step("no", &no, reason); }

// A process that has an engine.
class process
{
public:
    process(std::string const& coordinator, std::string const& callback, shop& s, weft::remote_options options = {},
            std::function<void(weft::transaction const&)> on_paused = nullptr)
    {
        options.engine.on_paused = std::move(on_paused);
        options.engine.retry.initial = 50ms;
        engine_ = std::make_unique<weft::remote_engine>(io_, coordinator, callback, std::move(options));
        engine_->add("place", &place, std::ref(s));
        engine_->add("echo", &echo);
        engine_->add("refuse", &refuse);
        engine_->run([](std::exception_ptr) {});
        thread_ = std::thread([this] { io_.run(); });
    }
    ~process()
    {
        if (thread_.joinable())
            stop();
    }

    weft::remote_engine& engine() { return *engine_; }

    void stop()
    {
        engine_->stop(2s, weft::blocking);
        end();
    }

    // As kill -9 would, so far as the coordinator can tell.
    void die()
    {
        io_.stop();
        end();
    }

private:
    void end()
    {
        asio::post(io_, [this] { engine_.reset(); });
        if (io_.stopped())
        {
            thread_.join();
            engine_.reset();
            return;
        }
        thread_.join();
    }

    asio::io_context                     io_;
    std::unique_ptr<weft::remote_engine> engine_;
    std::thread                          thread_;
};

bool eventually(std::function<bool()> const& what, std::chrono::milliseconds limit = 20s)
{
    auto const end = std::chrono::steady_clock::now() + limit;
    while (std::chrono::steady_clock::now() < end)
    {
        if (what())
            return true;
        std::this_thread::sleep_for(5ms);
    }
    return what();
}

weft::remote_options listening(std::chrono::seconds retry_interval = 1s)
{
    weft::remote_options o;
    o.listen = "127.0.0.1:0";
    o.retry_interval = retry_interval;
    return o;
}

constexpr auto own_port = "http://127.0.0.1:0/weft";

class RemoteEngine : public ::testing::Test
{
protected:
    std::string status(std::string const& gid)
    {
        auto const row = at.store().find(gid, false);
        return row ? std::string(to_string(row->status)) : std::string("none");
    }

    // A callback's address that leads to whichever process is there.
    std::string shared_callback()
    {
        callbacks.on("/weft", [this](http_server::request const& r) {
            http_server::answer a;
            std::lock_guard     lock(mutex);
            if (!called)
            {
                a.status = 503;
                return a;
            }
            auto& engine = *called;
            auto& request = r;
            //[remote_called
            auto const answered = engine.called(std::string_view(request.target()));
            a.status = answered.status;
            a.body = answered.body;
            return a;
            //]
        });
        return callbacks.url("/weft");
    }
    void lead_to(weft::remote_engine* e)
    {
        std::lock_guard lock(mutex);
        called = e;
    }

    temporary_directory  directory;
    coordinator          at{weft::open_store(directory.url("weftd.db"))};
    shop                 s;
    std::mutex           mutex;
    weft::remote_engine* called = nullptr;
    http_server          callbacks;
};

TEST_F(RemoteEngine, AnswersTheSameToWhoeverAsks)
{
    process     p(at.address(), own_port, s, listening());
    order const o{"o1", 500};
    EXPECT_EQ(weft::handle<int(order)>(p.engine(), "place").execute("g1"_gid, o, weft::blocking), 500);
    EXPECT_EQ(status("g1"), "succeed");
    EXPECT_EQ(weft::handle<int(order)>(p.engine(), "place").execute("g1"_gid, o, weft::blocking), 500);
    process another(at.address(), own_port, s, listening());
    EXPECT_EQ(weft::handle<int(order)>(another.engine(), "place").execute("g1"_gid, o, weft::blocking), 500);
    EXPECT_EQ(s.done("g1 01/action"), 1);
    EXPECT_EQ(s.done("g1 02/action"), 1);
    EXPECT_EQ(s.done().size(), 2u);
}

TEST_F(RemoteEngine, IsAnEngineLikeAnyOther)
{
    auto const        coordinator = at.address();
    std::string const callback = "http://127.0.0.1:0/weft", place_to_listen = "127.0.0.1:0";
    asio::io_context  io;
    //[remote_engine
    weft::remote_options options;
    options.listen = place_to_listen;                                // "10.0.0.7:8090"
    weft::remote_engine engine{io, coordinator, callback, options};  // "http://tm:36789/api/dtmsvr", "http://10.0.0.7:8090/weft"
    auto const          placing = engine.add("place", &place, std::ref(s));
    //]
    std::thread thread([&] { io.run(); });
    order const wanted{"o1", 500};
    EXPECT_EQ(placing.execute("g1"_gid, wanted, weft::blocking), 500);
    engine.stop(1s, weft::blocking);
    thread.join();  // nothing of it keeps the context running
}

TEST_F(RemoteEngine, UndoesWhatWasDone)
{
    s.refuses = true;
    process     p(at.address(), own_port, s, listening());
    order const o{"o1", 500};
    try
    {
        weft::handle<int(order)>(p.engine(), "place").execute("g1"_gid, o, weft::blocking);
        FAIL();
    }
    catch (weft::failure const& e)
    {
        EXPECT_EQ(e.reason(), "no money");
    }
    EXPECT_EQ(status("g1"), "failed");
    EXPECT_EQ(at.store().find("g1", false)->reason, "no money");
    EXPECT_EQ(s.done("g1 01/compensate"), 1);
    EXPECT_EQ(s.done("g1 02/compensate"), 0);
}

TEST_F(RemoteEngine, RefusesAnotherInputForTheSameGid)
{
    process     p(at.address(), own_port, s, listening());
    order const o{"o1", 500}, other{"o1", 501};
    weft::handle<int(order)>(p.engine(), "place").execute("g1"_gid, o, weft::blocking);
    try
    {
        weft::handle<int(order)>(p.engine(), "place").execute("g1"_gid, other, weft::blocking);
        FAIL();
    }
    catch (weft::misuse const& e)
    {
        EXPECT_EQ(e.which(), weft::misuse::code::other_input);
    }
}

TEST_F(RemoteEngine, DoesNotRunTwiceWhatTakesLongerThanTheCallbackInterval)
{
    s.slow_ms = 3'500;
    process     p(at.address(), own_port, s, listening(1s));
    order const o{"o1", 500};
    EXPECT_EQ(weft::handle<int(order)>(p.engine(), "place").execute("g1"_gid, o, weft::blocking), 500);
    EXPECT_EQ(s.done("g1 02/action"), 1);
    auto const row = p.engine().query("g1"_gid, weft::blocking);
    ASSERT_TRUE(row);
    EXPECT_EQ(at.store().find("g1", true)->ops.size(), 3u);  // intent; outcome and intent; outcome and decision: nobody has claimed it
}

TEST_F(RemoteEngine, GoesOnWhereAProcessWasKilledAsSoonAsAnotherStarts)
{
    order const o{"o1", 500};
    s.hangs = true;
    auto const callback = shared_callback();
    {
        process first(at.address(), callback, s);
        weft::handle<int(order)>(first.engine(), "place").submit("g1"_gid, o, weft::blocking);
        ASSERT_TRUE(eventually([&] { return s.done("g1 02/action") == 1; }));
        first.die();
    }
    s.hangs = false;
    process second(at.address(), callback, s);
    EXPECT_TRUE(eventually([&] { return status("g1") == "succeed"; }, 5s));
    EXPECT_EQ(s.done("g1 01/action"), 1);
    EXPECT_EQ(s.done("g1 02/action"), 2);
}

TEST_F(RemoteEngine, GoesOnWhenItIsCalledBack)
{
    order const          o{"o1", 500};
    weft::remote_options every_second;
    every_second.retry_interval = 1s;
    auto const callback = shared_callback();
    process    second(at.address(), callback, s, every_second);  // has found nothing when it started
    weft::handle<std::string(std::string)>(second.engine(), "echo").execute("warm"_gid, std::string("x"), weft::blocking);
    s.hangs = true;
    {
        process first(at.address(), callback, s, every_second);
        weft::handle<int(order)>(first.engine(), "place").submit("g1"_gid, o, weft::blocking);
        ASSERT_TRUE(eventually([&] { return s.done("g1 02/action") == 1; }));
        first.die();
    }
    s.hangs = false;
    lead_to(&second.engine());
    EXPECT_TRUE(eventually([&] { return status("g1") == "succeed"; }));
    EXPECT_EQ(s.done("g1 01/action"), 1);
    EXPECT_EQ(s.done("g1 02/action"), 2);
    lead_to(nullptr);
}

TEST_F(RemoteEngine, CarriesWhatIsTooLongForTheColumnsOfAStockServer)
{
    process           p(at.address(), own_port, s, listening());
    std::string const text(200'000, 'x');
    EXPECT_EQ(weft::handle<std::string(std::string)>(p.engine(), "echo").execute("long"_gid, text, weft::blocking), text + text);
    std::string const reason(5'000, 'r');
    try
    {
        weft::handle<void(std::string)>(p.engine(), "refuse").execute("no"_gid, reason, weft::blocking);
        FAIL();
    }
    catch (weft::failure const& e)
    {
        EXPECT_EQ(e.reason(), reason);
    }
    // Nothing of it needs more than those have.
    for (auto const* gid : {"long", "no"})
    {
        auto const row = *at.store().find(gid, true);
        EXPECT_LE(row.custom_data.size(), 1'024u);
        EXPECT_LE(row.result.size(), 1'024u);
        EXPECT_LE(row.reason.size(), 1'024u);
        for (auto const& op : row.ops)
            EXPECT_LE(op.data.size(), 65'535u);
    }
    // And whoever asks later gets all of it.
    process another(at.address(), own_port, s, listening());
    EXPECT_EQ(another.engine().query("long"_gid, weft::blocking)->input, weft::detail::encode(text));
    EXPECT_EQ(weft::handle<std::string(std::string)>(another.engine(), "echo").execute("long"_gid, text, weft::blocking), text + text);
    EXPECT_EQ(another.engine().query("no"_gid, weft::blocking)->reason, reason);
}

TEST_F(RemoteEngine, HearsOfACancelThatAnotherProcessAskedFor)
{
    s.undecided = true;
    process     p(at.address(), own_port, s, listening(1s));
    order const o{"o1", 500};
    weft::handle<int(order)>(p.engine(), "place").submit("g1"_gid, o, weft::blocking);
    ASSERT_TRUE(eventually([&] { return s.done("g1 02/action") > 0; }));
    process another(at.address(), own_port, s, listening());
    EXPECT_EQ(another.engine().cancel("g1"_gid, weft::blocking), weft::cancel_answer::accepted);
    EXPECT_TRUE(eventually([&] { return status("g1") == "failed"; }));
    EXPECT_EQ(s.done("g1 01/compensate"), 1);
    EXPECT_EQ(s.done("g1 02/compensate"), 1);  // nobody knows whether it had happened
    EXPECT_EQ(another.engine().cancel("g1"_gid, weft::blocking), weft::cancel_answer::too_late);
    try
    {
        another.engine().cancel("unknown"_gid, weft::blocking);
        FAIL();
    }
    catch (weft::misuse const& e)
    {
        EXPECT_EQ(e.which(), weft::misuse::code::unknown_gid);
    }
}

TEST_F(RemoteEngine, StaysPausedOverARestartUntilSomebodyResumesIt)
{
    std::atomic<int>     paused{0};
    auto const           count = [&](weft::transaction const&) { ++paused; };
    auto const           callback = shared_callback();
    order const          o{"o1", 500};
    weft::remote_options pauses;
    pauses.engine.retry.attempts = 2;
    pauses.engine.poll = 5ms;
    s.undecided = true;
    {
        process first(at.address(), callback, s, pauses, count);
        weft::handle<int(order)>(first.engine(), "place").submit("g1"_gid, o, weft::blocking);
        ASSERT_TRUE(eventually([&] { return paused == 1; }));
        first.die();
    }
    auto const sent = s.done("g1 02/action");
    s.undecided = false;
    process second(at.address(), callback, s, pauses, count);
    lead_to(&second.engine());
    auto const calls = callbacks.requests();
    at.manager().make_due(weft::gid("g1"), weft::blocking);
    ASSERT_TRUE(eventually([&] { return callbacks.requests() > calls; }));
    // Many times as long as it takes to look for what is called back.
    for (int i = 0; i < 20; ++i)
        weft::handle<std::string(std::string)>(second.engine(), "echo")
            .execute(weft::gid("after-" + std::to_string(i)), std::string("x"), weft::blocking);
    EXPECT_EQ(s.done("g1 02/action"), sent);
    EXPECT_THAT(second.engine().query("g1"_gid, weft::blocking)->paused_reason, HasSubstr("charge"));
    second.engine().resume("g1"_gid, weft::blocking);
    EXPECT_TRUE(eventually([&] { return status("g1") == "succeed"; }));
    lead_to(nullptr);
}

TEST_F(RemoteEngine, IsToldWhenItWasStoppedAtTheCoordinator)
{
    s.slow_ms = 500;
    process            p(at.address(), own_port, s, listening());
    order const        o{"o1", 500};
    std::promise<void> ended;
    std::string        what;
    weft::handle<int(order)>(p.engine(), "place").execute("g1"_gid, o, [&](std::exception_ptr e, int) {
        try
        {
            if (e)
                std::rethrow_exception(e);
        }
        catch (weft::failure const& f)
        {
            what = f.reason();
        }
        ended.set_value();
    });
    ASSERT_TRUE(eventually([&] { return s.done("g1 02/action") == 1; }));
    at.manager().force_stop(weft::gid("g1"), weft::blocking);
    ended.get_future().get();
    EXPECT_THAT(what, HasSubstr("stopped"));
    EXPECT_EQ(s.done("g1 01/compensate"), 0);  // that is what stopping by force means
}

TEST_F(RemoteEngine, WaitsForACoordinatorThatIsAway)
{
    class troubles final : public weft::counters
    {
    public:
        void count(event e, std::uint64_t n) noexcept override { errors += e == event::store_errors ? n : 0; }

        std::atomic<std::uint64_t> errors{0};
    };
    auto const counted = std::make_shared<troubles>();
    auto       options = listening();
    options.engine.counters = counted;
    s.slow_ms = 300;
    process           p(at.address(), own_port, s, options);
    order const       o{"o1", 500};
    std::promise<int> ended;
    weft::handle<int(order)>(p.engine(), "place").execute("g1"_gid, o, [&](std::exception_ptr e, int cents) {
        if (e)
            ended.set_exception(e);
        else
            ended.set_value(cents);
    });
    ASSERT_TRUE(eventually([&] { return s.done("g1 02/action") == 1; }));
    at.stop();
    ASSERT_TRUE(eventually([&] { return counted->errors > 1; }));  // its outcome cannot be recorded
    at.start();
    EXPECT_EQ(ended.get_future().get(), 500);
    EXPECT_EQ(s.done("g1 02/action"), 1);

    at.stop();
    try
    {
        weft::handle<int(order)>(p.engine(), "place").execute("g2"_gid, o, weft::blocking);
        FAIL();
    }
    catch (weft::store_error const& e)
    {
        EXPECT_THAT(e.what(), HasSubstr("coordinator http://127.0.0.1"));
        EXPECT_TRUE(e.in_doubt());
    }
    at.start();
    EXPECT_EQ(weft::handle<int(order)>(p.engine(), "place").execute("g2"_gid, o, weft::blocking), 500);
}

TEST_F(RemoteEngine, ShowsATokenToACoordinatorThatAsksForOne)
{
    coordinator          careful(weft::make_memory_store(), {"secret"});
    order const          o{"o1", 500};
    weft::http_options   with_token;
    weft::remote_options options = listening();
    with_token.headers.emplace_back("Authorization", "Bearer secret");
    options.transport = weft::make_http_transport(with_token);
    process p(careful.address(), own_port, s, options);
    EXPECT_EQ(weft::handle<int(order)>(p.engine(), "place").execute("g1"_gid, o, weft::blocking), 500);

    process stranger(careful.address(), own_port, s, listening());
    try
    {
        weft::handle<int(order)>(stranger.engine(), "place").execute("g2"_gid, o, weft::blocking);
        FAIL();
    }
    catch (weft::store_error const& e)
    {
        EXPECT_THAT(e.what(), HasSubstr("401"));
    }
}

TEST_F(RemoteEngine, LosesNothingWhicheverMessageIsCut)
{
    cutting_proxy between(at.port());
    process       p("http://127.0.0.1:" + std::to_string(between.port()) + "/api/dtmsvr", own_port, s, listening());
    order const   o{"o1", 500};
    weft::handle<int(order)>(p.engine(), "place").execute("undisturbed"_gid, o, weft::blocking);
    std::vector<std::string> wrong;
    int                      cases = 0;
    for (auto const how : {cutting_proxy::cut::before, cutting_proxy::cut::answer_lost})
        for (unsigned n = 1; n <= 6; ++n, ++cases)
        {
            auto const gid = "cut-" + std::to_string(cases);
            between.cut_at(n, how);
            if (weft::handle<int(order)>(p.engine(), "place").execute(weft::gid(gid), o, weft::blocking) != 500)
                wrong.push_back(gid);
            for (auto const* what : {" 01/action", " 02/action"})
                if (s.done(gid + what) != 1)
                    wrong.push_back(gid + what);
        }
    between.cut_at(0, cutting_proxy::cut::before);
    EXPECT_THAT(wrong, IsEmpty());
}

TEST_F(RemoteEngine, LeavesAnotherClientsWorkflowAlone)
{
    auto const callback = shared_callback();
    process    p(at.address(), callback, s);
    lead_to(&p.engine());
    weft::global_transaction t;
    t.gid = "go";
    t.trans_type = "workflow";
    t.query_prepared = callback;
    t.custom_data = R"({"name":"place","data":"eyJpZCI6Im8xIiwiY2VudHMiOjF9"})";
    t.options = R"({"retry_interval":1})";
    at.manager().prepare_workflow(t, weft::blocking);
    ASSERT_TRUE(eventually([&] { return callbacks.requests() > 0; }));
    weft::handle<std::string(std::string)>(p.engine(), "echo").execute("after"_gid, std::string("x"), weft::blocking);
    EXPECT_EQ(status("go"), "prepared");
    EXPECT_THAT(at.store().find("go", true)->ops, IsEmpty());
    EXPECT_THAT(s.done(), IsEmpty());
    lead_to(nullptr);
}

TEST_F(RemoteEngine, EndsATransactionWhoseInputNeverArrived)
{
    weft::remote_detail::creation c;
    c.name = "echo";
    c.token = "gone-1";
    c.apart = true;
    weft::global_transaction t;
    t.gid = "half";
    t.trans_type = "workflow";
    t.custom_data = c.text();
    t.query_prepared = shared_callback();
    at.manager().prepare_workflow(t, weft::blocking);
    process p(at.address(), callbacks.url("/weft"), s);
    EXPECT_TRUE(eventually([&] { return status("half") == "failed"; }));
    EXPECT_EQ(at.store().find("half", false)->reason, "its input never arrived");
}

TEST_F(RemoteEngine, AnswersACallbackAtOnceWhateverItIs)
{
    process p(at.address(), own_port, s, listening());
    ASSERT_TRUE(eventually([&] { return p.engine().called("/weft?gid=g&op=place").status == 425; }));
    EXPECT_EQ(p.engine().called("/weft?gid=g&op=nobody").status, 404u);
    EXPECT_THAT(p.engine().called("/weft?gid=g&op=%22%0a").body, HasSubstr("no workflow"));
    EXPECT_EQ(p.engine().called("/weft").status, 400u);
    EXPECT_EQ(p.engine().called("").status, 400u);
    EXPECT_EQ(p.engine().called("?gid=").status, 400u);
}

TEST_F(RemoteEngine, ListensToCallbacksOfAnyLength)
{
    class exchange final : public weft::http_exchange
    {
    public:
        void replied(weft::http_reply r) noexcept override { status.set_value(r.status); }
        void failed(std::string) noexcept override { status.set_value(0); }

        std::promise<unsigned> status;
    };
    process    p(at.address(), own_port, s, listening());
    auto const through = weft::make_http_transport();
    ASSERT_TRUE(eventually([&] { return p.engine().called("/weft?gid=g&op=place").status == 425; }));
    for (auto const size : {0u, 1u, 3'000'000u})
    {
        auto const e = std::make_shared<exchange>();
        e->request.url = p.engine().callback() + "?gid=g&op=place";
        e->request.body = std::string(size, 'x');
        through->send(e);
        EXPECT_EQ(e->status.get_future().get(), 425u) << size;
    }
}

TEST_F(RemoteEngine, RefusesAddressesThatAreNone)
{
    asio::io_context io;
    auto const       why = [&](std::string const& coordinator, std::string const& callback, weft::remote_options o = {}) {
        try
        {
            weft::remote_engine e(io, coordinator, callback, std::move(o));
        }
        catch (weft::misuse const& e)
        {
            return std::string(e.what());
        }
        return std::string("taken");
    };
    EXPECT_THAT(why("localhost:36789", "http://127.0.0.1:1/"), HasSubstr("coordinator"));
    EXPECT_THAT(why("http://127.0.0.1:1/api/dtmsvr", "me"), HasSubstr("the callback"));
    EXPECT_THAT(why("http://127.0.0.1:1/api/dtmsvr", "http://me/" + std::string(1'100, 'x')), HasSubstr("1024"));
    weft::remote_options o;
    for (auto const* place : {"8090", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:99999", "nowhere:80"})
    {
        o.listen = place;
        EXPECT_THAT(why("http://127.0.0.1:1/", "http://127.0.0.1:1/", o), HasSubstr("remote_options::listen")) << place;
    }
    o.listen = "127.0.0.1:" + std::to_string(at.port());
    EXPECT_THAT(why("http://127.0.0.1:1/", "http://127.0.0.1:1/", o), HasSubstr("cannot be had"));
}

TEST_F(RemoteEngine, ListsWhatTheCoordinatorHas)
{
    process     p(at.address(), own_port, s, listening());
    order const o{"o1", 500};
    for (auto const* gid : {"a", "b", "c"})
        weft::handle<int(order)>(p.engine(), "place").execute(weft::gid(gid), o, weft::blocking);
    weft::handle<std::string(std::string)>(p.engine(), "echo").execute("d"_gid, std::string("x"), weft::blocking);
    weft::list_filter f;
    f.workflow = "place";
    auto const rows = p.engine().list(f, weft::blocking);
    ASSERT_EQ(rows.size(), 3u);
    EXPECT_EQ(rows.front().status, weft::status::succeed);
    EXPECT_EQ(rows.front().workflow, "place");
    f.paused = true;
    EXPECT_THROW(p.engine().list(f, weft::blocking), weft::misuse);
}

// --- a dtm on boltdb or Redis, which keeps of a finished workflow only what is said at its end --------------------------------------------

class Overwritten : public ::testing::Test
{
protected:
    overwriting_coordinator at;
    shop                    s;
    order const             o{"o1", 500};
};

TEST_F(Overwritten, AWorkflowThatHasEndedIsKnownByItsName)
{
    for (bool const refuses : {false, true})
    {
        s.refuses = refuses;
        std::string const gid = refuses ? "refused" : "done";
        for (int i = 0; i < 2; ++i)  // also for a process that has not run it
        {
            process    p(at.address(), own_port, s, listening());
            auto const executed = [&] { return weft::handle<int(order)>(p.engine(), "place").execute(weft::gid(gid), o, weft::blocking); };
            if (!refuses)
                EXPECT_EQ(executed(), 500);
            else
                EXPECT_THROW(executed(), weft::failure);
            EXPECT_EQ(p.engine().cancel(weft::gid(gid), weft::blocking), weft::cancel_answer::too_late);
            auto const row = p.engine().query(weft::gid(gid), weft::blocking);
            ASSERT_TRUE(row);
            EXPECT_EQ(row->workflow, "place");
            EXPECT_EQ(row->status, refuses ? weft::status::failed : weft::status::succeed);
            order const other{"o1", 501};
            EXPECT_THROW(weft::handle<int(order)>(p.engine(), "place").execute(weft::gid(gid), other, weft::blocking), weft::misuse);
        }
        EXPECT_EQ(s.done(gid + " 02/action"), 1);
        auto const kept = at.row(gid);
        for (auto const* name : {"custom_data", "query_prepared", "protocol"})
            EXPECT_TRUE(kept.contains(name)) << name;
    }
}

TEST_F(Overwritten, WhoeverGoesOnWithItKeepsWhatItsCreatorSaid)
{
    auto const callback = std::string("http://127.0.0.1:9/weft");  // nobody calls it
    s.hangs = true;
    {
        process first(at.address(), callback, s);
        weft::handle<int(order)>(first.engine(), "place").submit("g1"_gid, o, weft::blocking);
        ASSERT_TRUE(eventually([&] { return s.done("g1 02/action") == 1; }));
        first.die();
    }
    auto const created = at.row("g1");
    s.hangs = false;
    process second(at.address(), callback, s);
    EXPECT_EQ(weft::handle<int(order)>(second.engine(), "place").execute("g1"_gid, o, weft::blocking), 500);
    auto const ended = at.row("g1");
    EXPECT_EQ(ended.at("status"), "succeed");
    for (auto const* name : {"custom_data", "query_prepared", "protocol"})
        EXPECT_EQ(ended.at(name), created.at(name)) << name;
}

}  // namespace remote_engine_test
