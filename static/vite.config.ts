import { fileURLToPath } from 'node:url'
import vue from '@vitejs/plugin-vue'
import Components from 'unplugin-vue-components/vite'
import { ElementPlusResolver } from 'unplugin-vue-components/resolvers'
import { defineConfig } from 'vitest/config'

/** Where `npm run dev` finds a running server. */
const server = process.env.CARREL_URL ?? 'http://127.0.0.1:50004'

/** Element Plus' date picker without its style sheets, which come with the others. */
const CALENDAR = /element-plus[\\/]es[\\/]components[\\/](date|time)-[\w-]+[\\/](?!style)/

/** Parts of Element Plus that a page or two have. */
const SELDOM = /element-plus[\\/]es[\\/]components[\\/](upload|steps)[\\/](?!style)/

export default defineConfig({
  plugins: [
    vue(),
    // Only the Element Plus components that a page uses enter its chunk, each with its own style sheet.
    Components({ dirs: [], resolvers: [ElementPlusResolver({ importStyle: 'css' })], dts: false }),
  ],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  build: {
    // noVNC waits for a codec probe at the top of a module.
    target: 'es2022',
    // Browsers that know no modulepreload load the same modules a little later.
    modulePreload: { polyfill: false },
    // Swagger UI is big by nature; it loads only where it is shown.
    chunkSizeWarningLimit: 1600,
    rolldownOptions: {
      input: { console: 'index.html', docs: 'docs.html' },
      output: {
        codeSplitting: {
          // What nearly every page needs comes in two files instead of a hundred; a page adds one of its own. What few
          // pages show (the calendar, addresses in a picture, arithmetic of addresses, uploads) comes with those.
          groups: [
            {
              name: 'libraries',
              test: (id) =>
                /node_modules[\\/](?!@novnc|swagger-ui|uqr|ipaddr|tus-js-client|js-base64|url-parse|querystringify|requires-port)/.test(
                  id,
                ) &&
                !CALENDAR.test(id) &&
                !SELDOM.test(id),
              priority: 3,
            },
            { name: 'calendar', test: CALENDAR, priority: 2 },
            {
              name: 'common',
              test: /src[\\/](api|components|composables|events|lib[\\/](?!address)|stores)[\\/]?/,
              priority: 1,
            },
          ],
        },
      },
    },
  },
  server: {
    proxy: {
      '/api': { target: server, secure: false, ws: true },
      // Registering is a call of document 000; what lies below is a page.
      '^/account/?(\\?|$)': { target: server, secure: false },
    },
  },
  test: { include: ['src/**/*.test.ts'] },
})
