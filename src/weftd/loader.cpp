// Reads a conf.yml. What is wrong is collected, so that all of it can be put right at once.
#include "src/weftd/keys.hpp"
#include "src/weftd/rules.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <system_error>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

namespace weftd {

namespace {

constexpr std::size_t longest_file = 1u << 20;

std::string one_line(std::string_view text, std::size_t limit = 64)
{
    std::string out(text.substr(0, limit));
    std::replace_if(
        out.begin(), out.end(), [](unsigned char l) { return l < ' ' || l == 0x7f; }, '?');
    return out + (text.size() > limit ? "..." : "");
}

std::string joined(std::vector<std::string> const& lines)
{
    std::string text;
    for (auto const& l : lines)
        text += (text.empty() ? "" : "\n") + l;
    return text;
}

struct no_events final : YAML::EventHandler
{
    using mark = YAML::Mark;
    using anchor = YAML::anchor_t;

    void OnDocumentStart(mark const&) override { }
    void OnDocumentEnd() override { }
    void OnNull(mark const&, anchor) override { }
    void OnAlias(mark const&, anchor) override { }
    void OnScalar(mark const&, std::string const&, anchor, std::string const&) override { }
    void OnSequenceStart(mark const&, std::string const&, anchor, YAML::EmitterStyle::value) override { }
    void OnSequenceEnd() override { }
    void OnMapStart(mark const&, std::string const&, anchor, YAML::EmitterStyle::value) override { }
    void OnMapEnd() override { }
};

// YAML::LoadAll (0.7) never ends where a document is followed by what cannot begin one, such as a comma.
bool has_more_than_one_document(std::string_view yaml)
{
    std::istringstream in{std::string(yaml)};
    YAML::Parser       parser(in);
    no_events          none;
    return parser.HandleNextDocument(none) && parser.HandleNextDocument(none);
}

class loader
{
public:
    explicit loader(std::string file) : file_(std::move(file)) { }

    void defaults()
    {
        for (auto const& k : keys())
            set(out_.values, k, std::string(k.default_text));
    }

    void environment(surroundings const& world)
    {
        for (auto const& k : keys())
        {
            auto const name = environment_name(k.name);
            auto const text = world.environment(name);
            if (text && !text->empty())
                take(k, *text, "environment " + name);
        }
    }

    void text(std::string_view yaml)
    {
        if (yaml.size() > longest_file)
            return problem(file_, "is longer than 1 MiB");
        // A NUL ends the text for yaml-cpp, and what follows would be passed over.
        if (yaml.find('\0') != yaml.npos)
            return problem(file_, "is no text: it has NUL characters");
        try
        {
            if (has_more_than_one_document(yaml))
                return problem(file_, "has more than one YAML document, or something behind its end");
            section(YAML::Load(std::string(yaml)), "");
        }
        catch (YAML::Exception const& e)
        {
            problem(at(e.mark), one_line(e.msg, 200));
        }
    }

    loaded_configuration end(surroundings const& world)
    {
        if (problems_.empty())
            check_rules(out_, world, problems_);
        if (!problems_.empty())
            throw bad_configuration(std::move(problems_));
        return std::move(out_);
    }

private:
    std::string at(YAML::Mark const& mark) const { return mark.line < 0 ? file_ : file_ + ':' + std::to_string(mark.line + 1); }
    void        problem(std::string const& where, std::string const& what) { problems_.push_back(where + ": " + what); }

    static bool is_section(std::string_view name)
    {
        return std::any_of(keys().begin(), keys().end(), [&](key const& k) {
            return k.name.size() > name.size() && k.name.starts_with(name) && k.name[name.size()] == '.';
        });
    }

    void section(YAML::Node const& node, std::string const& prefix)
    {
        if (node.IsNull())
            return;
        if (!node.IsMap())
            return problem(at(node.Mark()), (prefix.empty() ? std::string("the file") : prefix) + " consists of keys and values");
        std::map<std::string, std::string> seen;  // name to place
        for (auto const& entry : node)
        {
            auto const where = at(entry.first.Mark());
            if (!entry.first.IsScalar())
            {
                problem(where, "a key is a name");
                continue;
            }
            auto const        part = entry.first.Scalar(), name = prefix.empty() ? part : prefix + '.' + part;
            auto const* const k = part.find('.') == part.npos ? find_key(name) : nullptr;
            auto const [first, is_new] = seen.emplace(name, where);
            if (!is_new)
                problem(where, one_line(name) + ": is there already, at " + first->second);
            else if (prefix.empty() && is_section(name))
                section(entry.second, name);
            else if (k)
                value(*k, entry.second, where);
            else
                unknown(name, where);
        }
    }

    void unknown(std::string const& name, std::string const& where)
    {
        auto const near = nearest_key(name);
        if (near == name)
            return problem(where, one_line(name) + ": is written as a key within a section, " + name.substr(0, name.find('.')) + ":");
        auto const part_of = name.find('.') == name.npos ? nearest_section(name) : std::string_view();
        if (!part_of.empty())
            return problem(where, one_line(name) + ": there is no such key; did you mean the section " + std::string(part_of) + "?");
        problem(where, one_line(name) + ": there is no such key" + (near.empty() ? "" : "; did you mean " + std::string(near) + "?"));
    }

    void value(key const& k, YAML::Node const& node, std::string const& where)
    {
        if (node.IsNull())  // "Host:" and nothing more: as if it were not there
            return;
        if (std::holds_alternative<ignored>(k.to))
            return without_effect(k, where);
        if (node.IsScalar())
            return take(k, node.Scalar(), where);
        auto const* const list = std::get_if<std::vector<std::string> configuration::*>(&k.to);
        if (!list || !node.IsSequence())
            return problem(where, std::string(k.name) + ": is " + (node.IsMap() ? "a section" : "a list") + "; allowed: " + allowed(k));
        std::vector<std::string> elements;
        for (auto const& element : node)
        {
            if (!element.IsScalar() || element.Scalar().find_first_of(std::string_view(",\0", 2)) != std::string::npos ||
                element.Scalar().empty())
                return problem(at(element.Mark()), std::string(k.name) + ": its elements are texts without commas");
            elements.push_back(element.Scalar());
        }
        out_.values.*(*list) = std::move(elements);
        out_.origins[k.name] = where;
    }

    void take(key const& k, std::string const& text, std::string const& where)
    {
        try
        {
            set(out_.values, k, text);
        }
        catch (std::invalid_argument const& e)
        {
            // What may be a secret is not quoted.
            auto const quoted = k.shown == key::secrecy::open ? '"' + one_line(text) + "\" is" : std::string("its value is");
            return problem(where, std::string(k.name) + ": " + quoted + " not allowed: " + e.what());
        }
        if (std::holds_alternative<ignored>(k.to))
            return without_effect(k, where);
        out_.origins[k.name] = where;
    }

    void without_effect(key const& k, std::string const& where)
    {
        out_.warnings.push_back(where + ": " + std::string(k.name) + " has " + std::string(k.help));
    }

    std::string              file_;
    loaded_configuration     out_;
    std::vector<std::string> problems_;
};

}  // namespace

bad_configuration::bad_configuration(std::vector<std::string> problems)
    : std::runtime_error(joined(problems))
    , problems_(std::move(problems))
{ }

loaded_configuration load(std::string_view yaml, std::string const& file, surroundings const& world)
{
    loader l(file);
    l.defaults();
    l.environment(world);
    if (!file.empty())
        l.text(yaml);
    return l.end(world);
}

loaded_configuration load_file(std::string const& file, surroundings const& world)
{
    if (file.empty())
        return load("", "", world);
    std::string text;
    try
    {
        text = world.read(file);
    }
    catch (std::runtime_error const& e)
    {
        throw bad_configuration({file + ": cannot be read: " + e.what()});
    }
    return load(text, file, world);
}

surroundings real_surroundings()
{
    surroundings real;
    real.environment = [](std::string const& name) {
        auto const* const text = std::getenv(name.c_str());
        return text ? std::optional<std::string>(text) : std::nullopt;
    };
    real.read = [](std::string const& path) {
        errno = 0;
        std::ifstream      in(path, std::ios::binary);
        std::ostringstream text;
        // A directory opens, and cannot be read.
        if (!in || (in.peek() == std::ifstream::traits_type::eof() && in.bad()))
            throw std::runtime_error(std::generic_category().message(errno != 0 ? errno : EIO));
        in.clear();
        text << in.rdbuf();
        return text.str();
    };
    return real;
}

}  // namespace weftd
