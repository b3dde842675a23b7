import 'swagger-ui-dist/swagger-ui.css'
import './docs.css'
import SwaggerUI from 'swagger-ui-dist/swagger-ui-es-bundle.js'

/** As the console keeps them: what was chosen there holds here. */
const LANGUAGE = 'carrel.language'
const THEME = 'carrel.theme'
const WORDS = {
  en: {
    back: '← Back to the console',
    title: 'Carrel API',
    other: '中文',
    dark: 'Dark',
    light: 'Light',
    filter: 'Filter by tag or path',
    authorize: 'Authorize',
  },
  'zh-CN': {
    back: '← 返回控制台',
    title: 'Carrel 接口',
    other: 'English',
    dark: '深色',
    light: '浅色',
    filter: '按分组或路径筛选',
    authorize: '授权',
  },
} as const
type Language = keyof typeof WORDS

interface Tag {
  name: string
  description: string
  'x-chinese': { name: string; description: string }
}

interface ApiDocument {
  info: { description: string; 'x-chinese': string }
  tags: Tag[]
  paths: Record<string, Record<string, Operation>>
}

interface Operation {
  tags?: string[]
  summary?: string
  'x-chinese'?: string
}

const chosen = localStorage.getItem(LANGUAGE) ?? (navigator.language.startsWith('zh') ? 'zh-CN' : 'en')
const language: Language = chosen === 'en' ? 'en' : 'zh-CN'
const words = WORDS[language]

/** The document with what it says in Chinese in place of the English. */
function inChinese(api: ApiDocument): ApiDocument {
  const names = new Map(api.tags.map(({ name, 'x-chinese': chinese }) => [name, chinese.name]))
  const renamed = ([method, operation]: [string, Operation]) => [
    method,
    {
      ...operation,
      summary: operation['x-chinese'] ?? operation.summary,
      tags: operation.tags?.map((tag) => names.get(tag) ?? tag),
    },
  ]
  return {
    ...api,
    info: { ...api.info, description: api.info['x-chinese'] },
    tags: api.tags.map((tag) => ({ ...tag, ...tag['x-chinese'] })),
    paths: Object.fromEntries(
      Object.entries(api.paths).map(([path, item]) => [path, Object.fromEntries(Object.entries(item).map(renamed))]),
    ),
  }
}

const isDark = (): boolean => {
  const theme = localStorage.getItem(THEME)
  return theme === 'dark' || (theme !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches)
}

const button = (id: string) => document.getElementById(id) as HTMLButtonElement

function paint(): void {
  document.documentElement.classList.toggle('dark-mode', isDark())
  button('theme').textContent = isDark() ? words.light : words.dark
}

document.documentElement.lang = language
document.title = words.title
document.getElementById('back')!.textContent = words.back
button('language').textContent = words.other
button('language').onclick = () => {
  localStorage.setItem(LANGUAGE, language === 'en' ? 'zh-CN' : 'en')
  location.reload()
}
button('theme').onclick = () => {
  localStorage.setItem(THEME, isDark() ? 'light' : 'dark')
  paint()
}
paint()

const answer = await fetch('/api/openapi.json')
const api = (await answer.json()) as ApiDocument

SwaggerUI({
  dom_id: '#swagger',
  spec: language === 'en' ? api : inChinese(api),
  deepLinking: true,
  filter: true,
  docExpansion: 'none',
  defaultModelsExpandDepth: 0,
  // The badge would ask a validator on the internet.
  validatorUrl: null,
})

/** Parts of the page that Swagger UI leaves without a name. */
const PARTS = '.information-container, .scheme-container, .filter'

/** Swagger UI leaves out a level of headings, and what stands above its main part is in none. */
function mend(root: HTMLElement): void {
  for (const part of root.querySelectorAll(PARTS)) {
    part.setAttribute('role', 'region')
    part.setAttribute('aria-label', `Carrel API: ${part.className.split(/[ -]/)[0]}`)
  }
  // What Swagger UI says in English only.
  root.querySelector('.operation-filter-input')?.setAttribute('placeholder', words.filter)
  const authorize = root.querySelector('.btn.authorize span')?.firstChild
  if (authorize && authorize.nodeValue !== words.authorize) authorize.nodeValue = words.authorize
  for (const heading of root.querySelectorAll('h3.opblock-tag, .models h4')) {
    heading.setAttribute('role', 'heading')
    heading.setAttribute('aria-level', '2')
  }
}

const root = document.getElementById('swagger')!
new MutationObserver(() => mend(root)).observe(root, { childList: true, subtree: true })
