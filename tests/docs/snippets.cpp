// The snippets of docs/: compiled, and run where there is something to run. Marks: //[name … //]. See scripts/check-docs.
#include <weft/testing/environment.hpp>
#include <weft/weft.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/describe.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <iostream>

// After GoogleTest: failures are reported to it.
#include <weft/testing/crash_everywhere.hpp>

namespace {

using ::testing::ElementsAre;
using namespace std::chrono_literals;
using namespace weft::literals;

struct order
{
    std::string  id, sku;
    int          quantity = 1;
    std::int64_t cents = 0;
};
BOOST_DESCRIBE_STRUCT(order, (), (id, sku, quantity, cents))

// A service: what a workflow needs besides its input, in memory here.
struct shop
{
    int stock = 100;
    int reserved = 0;
    int sold = 0;

    std::map<std::string, int> taken;  // the barrier of this participant: gid → reserved
};

void take(weft::branch const& where, shop& s, order const& o)
{
    if (s.taken.contains(where.gid))
        return;  // sent again: it is done already
    if (s.stock < o.quantity)
        throw weft::failure("out of stock");
    s.taken[where.gid] = o.quantity;
    s.stock -= o.quantity;
    s.reserved += o.quantity;
}
void keep(weft::branch const& where, shop& s, order const&)
{
    auto const n = std::exchange(s.taken[where.gid], 0);
    s.reserved -= n;
    s.sold += n;
}
void release(weft::branch const& where, shop& s, order const&)
{
    auto const n = std::exchange(s.taken[where.gid], 0);  // leaves a mark: an action that comes late finds it
    s.reserved -= n;
    s.stock += n;
}

std::int64_t charge(order const& o) { return o.cents; }
void         pay_back(order const&) { }
void         notify(order const&) { }

weft::workflow<std::int64_t> place_order(weft::context& wf, shop& our, order o)
{
    co_await wf.tcc("deduct-stock", weft::with(our, &take), weft::with(our, &keep), weft::with(our, &release), o);
    auto const cents = co_await wf.saga("charge", &charge, &pay_back, o);
    co_await wf.step("notify", &notify, o);
    co_return cents;
}

// ---------------------------------------------------------------------------------------------------------------------------------
// docs/coroutines.md

//[colours
// An operation does something in the world: any Asio object, real time, threads of its own.
boost::asio::awaitable<std::string> ask_warehouse(std::string sku)
{
    boost::asio::steady_timer wait(co_await boost::asio::this_coro::executor, 10ms);
    co_await wait.async_wait(boost::asio::use_awaitable);
    co_return "shelf 7 has " + sku;
}

// A workflow decides what is to be done. It awaits weft's own awaitables and nothing else.
weft::workflow<std::string> locate(weft::context& wf, std::string sku)
{
    auto const place = co_await wf.step("ask-warehouse", &ask_warehouse, sku);
    co_return place;
}
//]

//[on_finish
void tell_customer(weft::branch const& b, order const& o)
{
    std::cout << o.id << (is_undo(b.op) ? " could not be delivered" : " is on its way") << '\n';
}

weft::workflow<std::int64_t> deliver(weft::context& wf, order o)
{
    co_await wf.on_finish("tell-customer", &tell_customer, o);  // first: it hears of every end
    co_return co_await wf.saga("charge", &charge, &pay_back, o);
}
//]

//[another_way
weft::workflow<std::int64_t> pay(weft::context& wf, order o)
{
    auto const paid = co_await weft::as_outcome(wf.saga("charge-card", &charge, &pay_back, o));
    if (paid)
        co_return *paid;
    co_return co_await wf.saga("charge-account", &charge, &pay_back, o);
}
//]

//[parts
weft::workflow<std::int64_t> order_and_pay(weft::context& wf, order o)
{
    co_await wf.step("notify", &notify, o);  // branch 01
    auto const cents = co_await pay(wf, o);  // branches 02 and perhaps 03
    co_return cents;
}
//]

void nothing(order const&) { }
int  take_less(order const& o) { return o.quantity; }
void give_back(order const&) { }

//[details
struct shortage
{
    std::string sku;
    int         left = 0;
};
BOOST_DESCRIBE_STRUCT(shortage, (), (sku, left))

void reserve(order const& o)
{
    shortage const what{.sku = o.sku, .left = 2};
    throw weft::failure("out of stock", "sold-out", what);
}

weft::workflow<int> as_many_as_there_are(weft::context& wf, order o)
{
    auto const reserved = co_await weft::as_outcome(wf.saga("reserve", &reserve, &nothing, o));
    if (reserved)
        co_return o.quantity;
    if (reserved.error().code() != "sold-out")
        throw reserved.error();  // rolls back, with code and payload
    o.quantity = reserved.error().payload<shortage>().left;
    co_return co_await wf.saga("reserve-less", &take_less, &give_back, o);
}
//]

void book(order const&) { }
void unbook(order const&) { }
void refuse(order const&) { throw weft::failure("no room"); }

//[caught_part
weft::workflow<void> book_trip(weft::context& wf, order o)
{
    co_await wf.saga("book-flight", &book, &unbook, o);
    co_await wf.saga("book-hotel", &refuse, &unbook, o);  // says no
}

weft::workflow<void> careless(weft::context& wf, order o)
{
    bool booked = true;
    try
    {
        co_await book_trip(wf, o);
    }
    catch (weft::failure const&)
    {
        booked = false;  // the flight stays booked, and is paid for
    }
    if (!booked)
        co_await wf.step("notify", &notify, o);
}
//]

//[new_member
struct parcel
{
    std::string id;
    int         grams = 0;
    std::string carrier = "post";  // new: what was recorded without it went by post
};
BOOST_DESCRIBE_STRUCT(parcel, (), (id, grams, carrier))
//]

struct approval
{
    std::string by;
};
BOOST_DESCRIBE_STRUCT(approval, (), (by))

}  // namespace

//[exact_members
template <>
inline constexpr bool weft::exact_members<approval> = true;
//]

namespace {

std::string send_mail(std::string const& to, std::string const& id) { return to + '/' + id; }

//[same_each_time
weft::workflow<std::string> remind(weft::context& wf, std::string customer)
{
    auto const id = wf.uuid();                                // not boost::uuids::random_generator
    auto const hour = wf.now().time_since_epoch() / 1h % 24;  // not std::chrono::system_clock::now()
    auto const slot = wf.random() % 10;                       // not rand()
    if (hour < 8 || slot == 0)
        co_return "later";
    co_return co_await wf.step("mail", &send_mail, customer, id);
}
//]

//[lambdas
weft::workflow<void> greet(weft::context& wf, order o)
{
    co_await wf.step(
        "greet", [](order const& placed) { std::cout << "thank you for " << placed.id << '\n'; }, o);
}
//]

//[options
weft::workflow<std::int64_t> patient(weft::context& wf, order o)
{
    weft::retry_policy const five_times{.initial = 100ms, .attempts = 5, .then = weft::retry_policy::exhausted::roll_back};
    auto const               name = weft::named("charge").timeout(2s).retry(five_times);
    co_return co_await wf.saga(name, &charge, &pay_back, o);
}
//]

//[approval
using decisions = std::map<std::string, std::string>;  // order → who has said yes: a table of yours

std::string look_for_a_decision(decisions& made, std::string const& order)
{
    auto const found = made.find(order);
    if (found == made.end())
        throw weft::ongoing("nobody has decided on " + order);  // not done yet: ask again
    return found->second;
}

weft::workflow<std::string> wait_for_approval(weft::context& wf, decisions& made, order o)
{
    co_await wf.saga("reserve", &take_less, &give_back, o);
    weft::retry_policy const for_three_days{.initial = 24h, .max_elapsed = 72h, .then = weft::retry_policy::exhausted::roll_back};
    auto const               name = weft::named("decision").retry(for_three_days);
    co_return co_await wf.step(name, weft::with(made, &look_for_a_decision), o.id);
}
//]

//[decide
boost::asio::awaitable<void> approve(weft::engine& engine, decisions& made, std::string order, std::string by)
{
    made[order] = by;                                           // first where the workflow looks,
    co_await engine.resume(weft::gid("approval-of-" + order));  // then: look now, and not only tomorrow
}
//]

//[sleep
void not_before(weft::branch const& where, std::int64_t seconds)
{
    if (where.sent_at.time_since_epoch() < std::chrono::seconds(seconds))
        throw weft::ongoing("it is not time yet");
}

weft::workflow<void> remind_in_two_days(weft::context& wf, order o)
{
    auto const               when = wf.now() + 48h;  // the same in every attempt
    std::int64_t const       seconds = std::chrono::ceil<std::chrono::seconds>(when.time_since_epoch()).count();
    weft::retry_policy const hourly{.initial = 1h};  // so exact it is
    auto const               name = weft::named("sleep").retry(hourly);
    co_await wf.step(name, &not_before, seconds);
    co_await wf.step("notify", &notify, o);
}
//]

//[old_body
// As it was deployed; for what was begun with it. Goes when `list` finds nothing unfinished of this name.
weft::workflow<std::int64_t> ship(weft::context& wf, order o) { co_return co_await wf.saga("charge", &charge, &pay_back, o); }

// The same with what is new, under a name of its own.
weft::workflow<std::int64_t> ship_2(weft::context& wf, order o)
{
    co_await wf.step("notify", &notify, o);
    co_return co_await wf.saga("charge", &charge, &pay_back, o);
}

void add_both(weft::engine& engine)
{
    engine.add("ship", &ship);
    engine.add("ship-2", &ship_2);  // what is submitted from now on
}
//]

//[answer
struct answer
{
    int         status;
    std::string text;
};

boost::asio::awaitable<answer> charge_order(weft::handle<std::int64_t(order)> charges, order o)
{
    weft::gid const id("charge-" + o.id);  // the order's own number: whoever asks again means this one
    answer          a{500, {}};
    try
    {
        auto const cents = co_await charges.execute(id, o, weft::within(5s));
        a = {200, "charged " + std::to_string(cents)};
    }
    catch (weft::failure const& no)
    {
        a = {409, no.reason()};  // rolled back, for good
    }
    catch (weft::unfinished const& later)
    {
        // 202: it is there and goes on; ask again with the same gid, or poll. 503: there is nothing, and never will be.
        a = {later.written() == weft::known::not_written ? 503 : 202, later.what()};
    }
    catch (weft::store_error const& e)
    {
        a = {e.written() == weft::known::applied ? 202 : 503, e.what()};  // in doubt: ask again with the same gid, never with another one
    }
    catch (weft::misuse const& wrong)
    {
        a = {wrong.which() == weft::misuse::code::other_input ? 409 : 400, wrong.what()};  // this call has written nothing
    }
    co_return a;
}
//]

//[paused
void see_to_what_is_paused(weft::engine& engine, weft::gid const& mended, weft::gid const& hopeless)
{
    weft::list_filter const paused{.paused = true};
    for (auto const& t : engine.list(paused, weft::blocking))
        std::cout << t.gid << ' ' << t.workflow << ": " << t.paused_reason << '\n';
    engine.resume(mended, weft::blocking);  // tries again what it stumbled over
    if (engine.cancel(hopeless, weft::blocking) == weft::cancel_answer::accepted)
        std::cout << hopeless << " will be undone\n";
}
//]

//[logger
weft::engine_options with_a_log()
{
    weft::engine_options options;
    options.logger = std::make_shared<spdlog::logger>("shop", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    return options;
}
//]

struct gate_keeper
{
    bool open = false;
};
void go_through(gate_keeper& k, std::string const& who)
{
    if (!k.open && who != "nobody")
        throw std::runtime_error("closed");
    if (who == "hopeless")
        throw std::runtime_error("too wide");
}
weft::workflow<void> goes_through(weft::context& wf, gate_keeper& k, std::string who)
{
    weft::retry_policy const once{.attempts = 1};
    auto const               name = weft::named("go").retry(once);
    co_await wf.step(name, weft::with(k, &go_through), who);
}

TEST(Snippets, APersonSeesToWhatIsPaused)
{
    gate_keeper keeper;
    auto const  store = weft::make_memory_store();
    weft::host  host(*store, with_a_log());
    auto const  passage = host.engine().add("goes-through", &goes_through, std::ref(keeper));
    host.start();
    for (std::string const who : {"mended", "hopeless"})
        EXPECT_THROW(passage.execute(weft::gid(who), who, weft::within(20s), weft::blocking), weft::unfinished);
    keeper.open = true;
    see_to_what_is_paused(host.engine(), "mended"_gid, "hopeless"_gid);
    EXPECT_NO_THROW(passage.execute("mended"_gid, std::string("mended"), weft::within(20s), weft::blocking));
    EXPECT_THROW(passage.execute("hopeless"_gid, std::string("hopeless"), weft::within(20s), weft::blocking), weft::failure);
}

//[resume_many
boost::asio::awaitable<std::size_t> go_on(weft::engine& engine)
{
    weft::list_filter const mended{.workflow = "ship", .limit = 100'000};
    co_return co_await engine.resume(mended);
}
//]

order with_ribbon(order o)
{
    o.id += "/ribbon";
    return o;
}

//[plain
weft::workflow<void> plain(weft::context& wf, order o)
{
    // Name it first, then await.
    order const again{.id = o.id + "/2", .sku = o.sku, .quantity = o.quantity, .cents = o.cents};
    co_await wf.step("notify", &notify, again);

    // What a function returns may stay in the expression.
    auto const wrapped = with_ribbon(o);
    co_await wf.step("notify", &notify, wrapped);

    // if and else instead of ?: around a co_await.
    std::int64_t cents = 0;
    if (o.quantity > 1)
        cents = co_await wf.step("charge", &charge, o);
    else
        cents = co_await wf.step("charge-one", &charge, o);

    // Await into names, then build.
    order receipt = o;
    receipt.cents = cents;
    co_await wf.step("notify", &notify, receipt);
}
//]

TEST(DocumentedCoroutines, AreTwoColours)
{
    boost::asio::io_context io;
    auto const              store = weft::make_memory_store();
    weft::engine            engine(io, *store);
    auto const              locating = engine.add("locate", &locate);
    std::string             found;
    locating.execute("g1"_gid, std::string("tea"), [&](std::exception_ptr, std::string s) {
        found = s;
        engine.stop(1s, [](std::exception_ptr) {});
    });
    io.run();
    EXPECT_EQ(found, "shelf 7 has tea");
}

TEST(DocumentedCoroutines, GoAnotherWayAfterAFailure)
{
    weft::testing::environment env;
    auto const                 ordering = env.add("order-and-pay", &order_and_pay);
    env.on("charge-card").fails("expired");
    order const wanted{"o1", "tea", 1, 500};
    EXPECT_EQ(ordering.execute("g1"_gid, wanted).value(), 500);
    EXPECT_THAT(env.calls(), ElementsAre("notify/action", "charge-card/action", "charge-account/action"));
}

TEST(DocumentedCoroutines, TellTheCustomerHowItEnded)
{
    weft::testing::environment env;
    auto const                 delivery = env.add("deliver", &deliver);
    order const                wanted{"o1", "tea", 1, 500};
    EXPECT_EQ(delivery.execute("g1"_gid, wanted).value(), 500);
    env.on("charge").fails("expired");
    EXPECT_FALSE(delivery.execute("g2"_gid, wanted));
    EXPECT_THAT(env.calls(), ElementsAre("tell-customer/try", "charge/action", "tell-customer/confirm",  //
                                         "tell-customer/try", "charge/action", "tell-customer/cancel"));
}

TEST(DocumentedCoroutines, SeeWhyTheBusinessSaidNo)
{
    weft::testing::environment env;
    auto const                 as_many = env.add("as-many", &as_many_as_there_are);
    auto const                 carelessly = env.add("careless", &careless);
    order const                wanted{"o1", "tea", 5, 500};
    EXPECT_EQ(as_many.execute("g1"_gid, wanted).value(), 2);
    env.on("reserve").fails(weft::failure("closed", "holiday"));
    EXPECT_EQ(as_many.execute("g2"_gid, wanted).error().code(), "holiday");
    env.forget_calls();
    EXPECT_TRUE(carelessly.execute("g3"_gid, wanted));
    EXPECT_THAT(env.calls(), ElementsAre("book-flight/action", "book-hotel/action", "notify/action"));
}

TEST(DocumentedUpgrade, GivesNewMembersTheirDefaults)
{
    EXPECT_EQ(weft::detail::decode<parcel>(std::string_view(R"({"id":"p1","grams":5})")).carrier, "post");
    EXPECT_THROW((void)weft::detail::decode<approval>(std::string_view(R"({"by":"me","at":5})")), weft::misuse);
}

TEST(DocumentedCoroutines, SeeTheSameTimeAndNumbersInEveryAttempt)
{
    weft::testing::environment env({.engine = {.replay_always = true}});
    auto const                 reminder = env.add("remind", &remind);
    auto const                 plainly = env.add("plain", &plain);
    auto const                 patiently = env.add("patient", &patient);
    order const                wanted{"o1", "tea", 1, 500};
    reminder.submit("g1"_gid, std::string("alice"));
    env.finish();
    EXPECT_EQ(env.query("g1"_gid)->result, "\"later\"") << "it is one in the morning";
    EXPECT_TRUE(plainly.execute("g2"_gid, wanted));
    env.on("charge").throws("no connection");
    EXPECT_FALSE(patiently.execute("g3"_gid, wanted));
}

// ---------------------------------------------------------------------------------------------------------------------------------
// docs/deploying.md

TEST(DocumentedDeployment, CarriesOnWithBothBodiesAndResumesWhatWasPaused)
{
    weft::testing::environment env;
    env.on_start(&add_both);
    env.on("charge").throws("down").times(2).succeeds(std::int64_t{1});
    order const wanted{"o1", "tea", 1, 500};
    env.workflow<std::int64_t(order)>("ship").submit("g1"_gid, wanted);
    env.workflow<std::int64_t(order)>("ship-2").submit("g2"_gid, wanted);
    env.finish();
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed);
    EXPECT_EQ(env.query("g2"_gid)->status, weft::status::succeed);

    std::optional<std::size_t> resumed;
    boost::asio::co_spawn(env.get_executor(), go_on(env.engine()), [&](std::exception_ptr, std::size_t n) { resumed = n; });
    env.run_until([&] { return resumed.has_value(); });
    EXPECT_EQ(*resumed, 0u) << "nothing is paused";
}

// ---------------------------------------------------------------------------------------------------------------------------------
// docs/calling.md

weft::workflow<std::int64_t> charge_it(weft::context& wf, order o) { co_return co_await wf.saga("charge", &charge, &pay_back, o); }

//[handle
class shop_window
{
public:
    explicit shop_window(weft::engine& engine) : charges_(engine.add("charge-order", &charge_it)) { }

    boost::asio::awaitable<std::int64_t> charge(order o)
    {
        auto const cents = co_await charges_.execute(weft::gid("charge-" + o.id), o);
        co_return cents;
    }

private:
    weft::handle<std::int64_t(order)> charges_;
};
//]

TEST(DocumentedCoroutines, OperationsMayBeLambdas)
{
    weft::testing::environment env;
    order const                wanted{"o1", "tea", 1, 500};
    EXPECT_TRUE(env.add("greet", &greet).execute("g1"_gid, wanted));
}

TEST(DocumentedCalling, KeepsAHandle)
{
    weft::testing::environment env;
    env.on("charge").succeeds(std::int64_t{500});
    shop_window                 window(env.engine());
    std::optional<std::int64_t> cents;
    order const                 wanted{"o1", "tea", 1, 500};
    boost::asio::co_spawn(env.get_executor(), window.charge(wanted), [&](std::exception_ptr, std::int64_t n) { cents = n; });
    env.run_until([&] { return cents.has_value(); });
    EXPECT_EQ(cents, 500);
}

TEST(DocumentedCalling, AnswersWhatIsTrue)
{
    weft::testing::environment env;
    auto const                 charges = env.add("charge-order", &charge_it);
    env.settle();
    auto const asked = [&](order const& o) {
        std::optional<answer> a;
        boost::asio::co_spawn(env.get_executor(), charge_order(charges.of(env.engine()), o),
                              [&](std::exception_ptr, answer said) { a = said; });
        env.run_until([&] { return a.has_value(); });
        return *a;
    };
    order wanted{"o1", "tea", 1, 500};
    env.on("charge").succeeds(std::int64_t{500}).fails("no money").never_answers();
    EXPECT_EQ(asked(wanted).status, 200);
    EXPECT_EQ(asked(wanted).text, "charged 500") << "asked again";
    wanted.cents = 501;
    EXPECT_EQ(asked(wanted).status, 409) << "another input";
    wanted.id = "o2";
    EXPECT_EQ(asked(wanted).status, 409);
    EXPECT_EQ(asked(wanted).text, "no money");
    wanted.id = "o3";
    EXPECT_EQ(asked(wanted).status, 202);
    env.stop(0ms);
    wanted.id = "o4";
    EXPECT_EQ(asked(wanted).status, 503);
    EXPECT_FALSE(env.query("charge-o4"_gid));
}

// ---------------------------------------------------------------------------------------------------------------------------------
// docs/waiting.md

TEST(DocumentedWaiting, ForAPersonEndsWhenThatPersonHasDecided)
{
    weft::testing::environment env;
    decisions                  made;
    auto const                 approval = env.add("wait-for-approval", &wait_for_approval, std::ref(made));
    order const                wanted{"o1", "tea", 1, 500};
    approval.submit("approval-of-o1"_gid, wanted);
    env.settle();
    env.crash();  // whoever waits needs no process
    env.advance(30h);
    EXPECT_EQ(env.query("approval-of-o1"_gid)->status, weft::status::prepared);
    bool told = false;
    boost::asio::co_spawn(env.get_executor(), approve(env.engine(), made, "o1", "alice"), [&](std::exception_ptr e) { told = !e; });
    env.run_until([&] { return told; });
    env.settle();
    EXPECT_EQ(env.query("approval-of-o1"_gid)->status, weft::status::succeed) << "at once, not after 24 h";
    EXPECT_EQ(env.query("approval-of-o1"_gid)->result, "\"alice\"");
}

TEST(DocumentedWaiting, ForAPersonIsGivenUpAfterItsTime)
{
    weft::testing::environment env;
    decisions                  made;
    auto const                 approval = env.add("wait-for-approval", &wait_for_approval, std::ref(made));
    order const                wanted{"o1", "tea", 1, 500};
    approval.submit("approval-of-o1"_gid, wanted);
    env.settle();
    env.advance(71h);
    EXPECT_EQ(env.query("approval-of-o1"_gid)->status, weft::status::prepared);
    env.advance(2h);
    EXPECT_EQ(env.query("approval-of-o1"_gid)->status, weft::status::failed);
    EXPECT_EQ(env.query("approval-of-o1"_gid)->reason,
              "branch 02 \"decision\", action: nobody has decided on o1 (not within 259200000 ms)");
    EXPECT_EQ(env.calls().back(), "reserve/compensate");
}

TEST(DocumentedWaiting, ForATimeSeesTheTestsClock)
{
    weft::testing::environment env;
    auto const                 reminder = env.add("reminder", &remind_in_two_days);
    order const                wanted{"o1", "tea", 1, 500};
    reminder.submit("g1"_gid, wanted);
    env.settle();
    env.advance(47h);
    env.crash();
    env.settle();
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::prepared);
    env.advance(2h + 1min);
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed);
}

// ---------------------------------------------------------------------------------------------------------------------------------
// docs/testing.md

//[rolls_back
TEST(PlaceOrder, RollsBackWhenTheCardIsRefused)
{
    weft::testing::environment env;  // a store in memory, virtual time
    shop                       our;
    auto const                 place = env.add("place-order", &place_order, std::ref(our));
    env.on("charge").fails("card refused");

    order const wanted{"o1", "tea", 2, 500};
    auto const  result = place.execute("g1"_gid, wanted);

    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().reason(), "card refused");
    EXPECT_THAT(env.calls(), ElementsAre("deduct-stock/try", "charge/action", "deduct-stock/cancel"));
    EXPECT_EQ(our.stock, 100);
}
//]

//[scripts
TEST(PlaceOrder, SendsAgainWhatDidNotAnswer)
{
    weft::testing::environment env;
    shop                       our;
    auto const                 place = env.add("place-order", &place_order, std::ref(our));
    env.on("deduct-stock").loses_the_answer().answers_twice();  // first send, then every further one
    env.on("charge").throws("connection reset").never_answers().is_ongoing().times(3).runs();
    env.on("deduct-stock", weft::operation::confirm).answers_after(40s).runs();  // too late for the time-out, then at once

    order const wanted{"o1", "tea", 2, 500};
    EXPECT_EQ(place.execute("g1"_gid, wanted).value(), 500);
    EXPECT_EQ(our.sold, 2);
    EXPECT_EQ(our.stock, 98);
}
//]

//[time
TEST(PlaceOrder, WaitsForTheMailServer)
{
    weft::testing::environment env;
    shop                       our;
    auto const                 place = env.add("place-order", &place_order, std::ref(our));
    env.on("notify").throws("the mail server is down").times(3).runs();

    order const wanted{"o1", "tea", 2, 500};
    place.submit("g1"_gid, wanted);
    env.settle();  // until nothing can happen before time moves
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::prepared);
    env.advance(1h);  // no test waits for it
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed);
}
//]

//[crash
TEST(PlaceOrder, IsFinishedByTheNextProcess)
{
    weft::testing::environment env;
    shop                       our;
    auto const                 place = env.add("place-order", &place_order, std::ref(our));
    env.on("charge").never_answers().runs();

    order const wanted{"o1", "tea", 2, 500};
    place.submit("g1"_gid, wanted);
    env.settle();  // "charge" has been sent, and nothing came back
    env.crash();   // only the store is left, and the participants
    env.finish();  // a new process finds the work and finishes it
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed);
    EXPECT_THAT(env.calls(), ElementsAre("deduct-stock/try", "charge/action", "charge/action", "notify/action", "deduct-stock/confirm"));
}
//]

//[crash_everywhere
struct order_scenario
{
    using world = shop;  // the participants: made anew for each case, outlives the crashes

    void arrange(weft::testing::environment& env, shop& our) { env.add("place-order", &place_order, std::ref(our)); }
    void act(weft::testing::environment& env, shop&)
    {
        order const wanted{"o1", "tea", 2, 500};
        env.workflow<std::int64_t(order)>("place-order").submit("g1"_gid, wanted);
    }
};

TEST(PlaceOrder, SurvivesACrashAnywhere)
{
    auto const report = weft::testing::crash_everywhere(order_scenario(), [](shop& our) {
        EXPECT_EQ(our.stock + our.reserved + our.sold, 100);
        EXPECT_EQ(our.sold, 2);
    });
    std::cout << report << '\n';
    EXPECT_GT(report.cases(), 0u);  // that something was tried
}
//]

//[replay_always
TEST(PlaceOrder, ReplaysTheSame)
{
    weft::testing::environment_options options;
    options.engine.replay_always = true;  // the body is replayed from its journal after every write
    weft::testing::environment env(options);
    shop                       our;
    auto const                 place = env.add("place-order", &place_order, std::ref(our));
    order const                wanted{"o1", "tea", 2, 500};
    EXPECT_EQ(place.execute("g1"_gid, wanted).value(), 500);
}
//]

}  // namespace
