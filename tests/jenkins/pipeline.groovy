// Runs a declarative Jenkinsfile on a plain Groovy: the structure is judged and interpreted here,
// and every step that reaches outside is asked of whoever started this, a JSON line each way.
//
// This is no validation by Jenkins: it knows the directives, options and steps below, no others,
// has no CPS and no sandbox, and takes parallel branches one after the other. Told apart from a
// Jenkinsfile's own errors, a use of what it does not know ends with "not known to the fake Jenkins".
//
// A line of standard input is a build: {jenkinsfile, parameters, environment, scm}; lines that answer
// its steps follow. The last line that it says is the event "result" or "wrong".

import groovy.json.JsonOutput
import groovy.json.JsonSlurperClassic
import org.codehaus.groovy.control.CompilationFailedException
import org.codehaus.groovy.control.CompilerConfiguration

class Interrupted extends RuntimeException {
    Interrupted() { super('interrupted') }
}

class StepFailed extends RuntimeException {
    StepFailed(String message) { super(message) }
}

class Wrong extends RuntimeException {
    Wrong(String message) { super(message) }
}

class Outside {
    static final PrintStream OUT = System.out
    static final BufferedReader IN = new BufferedReader(new InputStreamReader(System.in))

    static void tell(Map event) {
        OUT.println(JsonOutput.toJson(event))
        OUT.flush()
    }

    static Object ask(String step, Map arguments) {
        tell([ask: step] + arguments)
        String line = IN.readLine()
        if (line == null) throw new Interrupted()
        Map answer = new JsonSlurperClassic().parseText(line)
        if (answer.interrupted) throw new Interrupted()
        if (answer.failed) throw new StepFailed(answer.failed)
        return answer.value
    }
}

class CurrentBuild {
    static final List ORDER = ['SUCCESS', 'UNSTABLE', 'FAILURE', 'NOT_BUILT', 'ABORTED']
    String result
    String displayName
    String description

    String getCurrentResult() { result ?: 'SUCCESS' }

    // As on Jenkins, a result can only become worse.
    void setResult(String to) {
        if (!(to in ORDER)) throw new Wrong("there is no result ${to}")
        if (ORDER.indexOf(to) > ORDER.indexOf(currentResult)) result = to
    }

    void setDescription(String text) {
        description = text
        Outside.tell([event: 'description', text: text])
    }

    void setDisplayName(String text) {
        displayName = text
        Outside.tell([event: 'name', text: text])
    }
}

abstract class Dsl extends Script {
    static final Set OPTIONS = ['buildDiscarder', 'skipDefaultCheckout', 'timeout', 'timestamps',
        'disableConcurrentBuilds', 'preserveStashes', 'retry'] as Set

    def pipeline(Closure body) {
        if (Run.definition != null) throw new Wrong('a second pipeline block')
        Run.definition = Directives.read(body, this, 'pipeline')
        if (Run.definition.agent == null) throw new Wrong('pipeline: agent is missing')
        if (!Run.definition.stages) throw new Wrong('pipeline: stages are missing')
    }

    private void step(String name) {
        if (!Run.inSteps) throw new Wrong("the step ${name} stands outside of steps and post")
    }

    private Object outside(String name, Map arguments) {
        step(name)
        return Outside.ask(name, arguments + [env: new TreeMap(binding.env.all())])
    }

    def sh(String script) { sh(script: script) }
    def sh(Map arguments) {
        if (arguments.keySet() - ['script', 'returnStatus', 'returnStdout', 'label']) {
            throw new Wrong("sh has no such arguments: ${arguments.keySet()}")
        }
        Map answer = outside('sh', [script: arguments.script.toString()])
        if (arguments.returnStatus) return answer.status
        if (answer.status != 0) throw new StepFailed("script returned exit code ${answer.status}")
        return arguments.returnStdout ? answer.stdout : null
    }
    def checkout(Map scm) { outside('checkout', [scm: scm]) }
    Map scmGit(Map arguments) { arguments }
    def build(Map arguments) { outside('build', arguments) }
    Map string(Map arguments) { arguments }
    Map file(Map arguments) { [kind: 'file'] + arguments }
    Map sshUserPrivateKey(Map arguments) { [kind: 'sshUserPrivateKey'] + arguments }
    def junit(Map arguments) { outside('junit', arguments) }
    def archiveArtifacts(Map arguments) { outside('archiveArtifacts', arguments) }
    def echo(String text) { step('echo'); Outside.tell([event: 'echo', text: text]) }
    def error(String message) { step('error'); throw new StepFailed(message) }
    def script(Closure body) { step('script'); body() }
    def timestamps(Closure body) { step('timestamps'); body() }

    def dir(String path, Closure body) {
        step('dir')
        binding.env.with([DIR: path.toString()], body)
    }

    def timeout(Map arguments, Closure body) {
        step('timeout')
        Outside.tell([event: 'timeout', time: arguments.time, unit: arguments.unit ?: 'MINUTES'])
        body()
    }

    def retry(int times, Closure body) {
        step('retry')
        for (int left = times - 1; ; left--) {
            try {
                return body()
            } catch (StepFailed failure) {
                if (left == 0) throw failure
            }
        }
    }

    def catchError(Map arguments, Closure body) {
        step('catchError')
        try {
            body()
        } catch (Interrupted interruption) {
            if (arguments.catchInterruptions == false) throw interruption
            binding.currentBuild.result = 'ABORTED'
        } catch (StepFailed failure) {
            Outside.tell([event: 'caught', message: failure.message])
            binding.currentBuild.result = arguments.buildResult ?: 'FAILURE'
            Run.stage(arguments.stageResult ?: 'SUCCESS')
        }
    }

    def withCredentials(List wanted, Closure body) {
        Map variables = outside('withCredentials', [wanted: wanted])
        binding.env.with(variables, body)
    }

    def parallel(Map branches) {
        step('parallel')
        Outside.tell([event: 'parallel', branches: branches.keySet() as List])
        List failures = []
        branches.each { name, body ->
            try {
                body()
            } catch (StepFailed failure) {
                failures << failure
            }
        }
        if (failures) throw failures[0]
    }

    def methodMissing(String name, Object arguments) {
        throw new Wrong("${name} is not known to the fake Jenkins")
    }
}

class Env {
    private final List layers

    Env(Map known) { layers = [known] }

    Map all() { layers.inject([:]) { sum, layer -> sum + layer } }

    def with(Map more, Closure body) {
        layers << more
        try {
            return body()
        } finally {
            layers.remove(layers.size() - 1)
        }
    }

    def propertyMissing(String name) { all()[name] }
}

// What may stand in a block of the declarative syntax, read into maps without running any of it.
class Directives {
    static final Map ALLOWED = [
        pipeline: ['agent', 'options', 'parameters', 'environment', 'stages', 'post', 'triggers'],
        stage: ['agent', 'options', 'environment', 'when', 'steps', 'stages', 'post'],
        post: ['always', 'changed', 'fixed', 'regression', 'aborted', 'failure', 'success',
            'unstable', 'unsuccessful', 'cleanup'],
        when: ['beforeAgent', 'expression'],
        agent: ['label'],
        parameters: ['string', 'choice', 'booleanParam', 'text'],
    ]
    final String kind
    final String where
    final def file
    final Map found = [:]

    Directives(String kind, def file, String where) {
        this.kind = kind
        this.file = file
        this.where = where
    }

    static Map read(Closure body, def file, String kind, String where = kind) {
        Directives directives = new Directives(kind, file, where)
        Closure block = body.rehydrate(directives, body.owner, body.thisObject)
        block.resolveStrategy = Closure.DELEGATE_FIRST
        block()
        return directives.found
    }

    Object getProperty(String name) {
        if (name in ['kind', 'where', 'file', 'found']) return this.@"$name"
        if (kind in ['pipeline', 'stage'] && name in ['none', 'any']) return name
        throw new MissingPropertyException(name, Directives)
    }

    Object invokeMethod(String name, Object given) {
        List arguments = given as List
        if (kind == 'stages' && name == 'stage') return addStage(*arguments)
        if (kind == 'options') return addOption(name, arguments)
        if (kind == 'buildDiscarder') return arguments
        if (!(name in ALLOWED[kind])) throw new Wrong("${where}: ${name} may not stand in ${kind}")
        if (kind == 'parameters') {
            found[arguments[0].name] = arguments[0] + [kind: name]
        } else if (found.containsKey(name)) {
            throw new Wrong("${where}: a second ${name}")
        } else {
            found[name] = readOne(name, arguments[0])
        }
        return null
    }

    private Object readOne(String name, Object given) {
        if (name == 'stages') return read(given, file, 'stages', where).stages ?: []
        if (name in ['steps', 'environment', 'expression'] || kind == 'post') return given
        if (given instanceof Closure) return read(given, file, name, "${where}/${name}")
        return given
    }

    private void addStage(String name, Closure body) {
        Map stage = read(body, file, 'stage', "${where}/${name}")
        if (stage.keySet().findAll { it in ['steps', 'stages'] }.size() != 1) {
            throw new Wrong("${where}/${name}: a stage has either steps or stages")
        }
        found.stages = (found.stages ?: []) + [stage + [name: name]]
    }

    private Object addOption(String name, List arguments) {
        if (name == 'logRotator') return arguments
        if (!(name in Dsl.OPTIONS)) throw new Wrong("${where}: there is no option ${name}")
        found[name] = arguments
        return null
    }
}

// Takes what a Jenkinsfile says, as Jenkins would.
class Run {
    static Map definition = null
    static boolean inSteps = false
    static List results = []    // of the stages that are at work, the innermost last
    final Dsl file
    final Env env
    final CurrentBuild current

    Run(Dsl file) {
        this.file = file
        this.env = file.binding.env
        this.current = file.binding.currentBuild
    }

    static void begin() {
        definition = null
        inSteps = false
        results = []
    }

    static void stage(String result) {
        if (results && CurrentBuild.ORDER.indexOf(result) > CurrentBuild.ORDER.indexOf(results[-1])) {
            results[-1] = result
        }
    }

    void all(Map definition) {
        Outside.tell([event: 'definition', parameters: definition.parameters ?: [:],
            options: (definition.options ?: [:]).keySet() as List, agent: definition.agent])
        withEnvironment(definition) {
            guarded { block(definition) }
            post(definition)
        }
    }

    private void block(Map part) {
        if (part.steps) {
            steps(part.steps)
            return
        }
        for (stage in part.stages) oneStage(stage)
    }

    private void oneStage(Map stage) {
        if (current.currentResult in ['FAILURE', 'ABORTED'] && broken) {
            Outside.tell([event: 'stage', name: stage.name, skipped: 'failed earlier'])
            return
        }
        if (stage.when && !steps(stage.when.expression)) {
            Outside.tell([event: 'stage', name: stage.name, skipped: 'when'])
            return
        }
        Outside.tell([event: 'stage', name: stage.name, agent: stage.agent ?: null])
        results << 'SUCCESS'
        withEnvironment(stage) {
            guarded { block(stage) }
            post(stage)
        }
        Outside.tell([event: 'end', name: stage.name, result: results.pop()])
    }

    private boolean broken = false

    private void guarded(Closure body) {
        try {
            body()
        } catch (Interrupted interruption) {
            failed('ABORTED', 'interrupted')
        } catch (StepFailed failure) {
            failed('FAILURE', failure.message)
        }
    }

    private void failed(String result, String message) {
        Outside.tell([event: 'failed', message: message])
        broken = true
        current.result = result
        stage(result)
    }

    private void post(Map part) {
        for (condition in ['always', 'success', 'failure', 'aborted', 'unstable', 'cleanup']) {
            Closure body = part.post?.get(condition)
            boolean holds = condition in ['always', 'cleanup'] ||
                current.currentResult == condition.toUpperCase()
            if (body && holds) {
                Outside.tell([event: 'post', condition: condition])
                guarded { steps(body) }
            }
        }
    }

    private void withEnvironment(Map part, Closure body) {
        Map values = [:]
        if (part.environment) {
            Closure reading = part.environment.rehydrate(new Environment(values), file, file)
            reading.resolveStrategy = Closure.DELEGATE_FIRST
            reading()
        }
        env.with(values, body)
    }

    private Object steps(Closure body) {
        boolean before = inSteps
        inSteps = true
        try {
            return body.rehydrate(file, file, file)()
        } finally {
            inSteps = before
        }
    }
}

class Environment {
    private final Map values

    Environment(Map values) { this.values = values }

    void setProperty(String name, Object value) { values[name] = value.toString() }
}

void take(Map given) {
    Binding binding = new Binding()
    binding.params = given.parameters
    binding.env = new Env(given.environment + given.parameters)
    binding.currentBuild = new CurrentBuild()
    binding.scm = given.scm
    CompilerConfiguration configuration = new CompilerConfiguration(scriptBaseClass: 'Dsl')
    Run.begin()
    try {
        GroovyShell shell = new GroovyShell(this.class.classLoader, binding, configuration)
        Dsl file = shell.parse(new File(given.jenkinsfile))
        file.run()
        if (Run.definition == null) throw new Wrong('there is no pipeline block')
        new Run(file).all(Run.definition)
        Outside.tell([event: 'result', result: binding.currentBuild.currentResult])
    } catch (Wrong | MissingPropertyException | CompilationFailedException wrong) {
        Outside.tell([event: 'wrong', message: wrong.message])
    }
}

for (String line; (line = Outside.IN.readLine()) != null;) {
    take(new JsonSlurperClassic().parseText(line))
}
